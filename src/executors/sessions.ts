/**
 * The sessions of scripts that run, one for each supervising shell. A process can leave its session
 * for a new one, and never enter another that is there: what is in one of these belongs to it.
 */
export class Sessions {
  /** Process ids of the leaders, the supervising shells, and of their scripts. */
  readonly #known = new Set<number>()

  /**
   * A supervising shell, or the script that it has started, has this process id.
   *
   * @returns to be called before it may be another process's.
   */
  begin(pid: number): () => void {
    this.#known.add(pid)
    return () => this.#known.delete(pid)
  }

  /** Whether a process is the leader of such a session or its script, or is in such a session. */
  has(pid: number): boolean {
    return this.#known.has(pid)
  }
}
