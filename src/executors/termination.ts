/** Ending a script: asked politely first, then not; the first reason wins. */
export class Termination {
  /** Sends a signal to all of the script; `false` if nothing of it is there. */
  readonly #signal: (name: NodeJS.Signals) => Promise<boolean>
  readonly #graceMs: number
  #wanted: string | null = null
  #reached = false
  #isReady = false
  #ended = false
  #timer: NodeJS.Timeout | undefined

  constructor(graceMs: number, signal: (name: NodeJS.Signals) => Promise<boolean>) {
    this.#graceMs = graceMs
    this.#signal = signal
  }

  /** Why it was ended, if the kill reached it while it was there. */
  get killReason(): string | null {
    return this.#reached ? this.#wanted : null
  }

  /** Why somebody wanted it to end. */
  get wanted(): string | null {
    return this.#wanted
  }

  /** Begins to end the script, as soon as it can be signalled. */
  begin(reason: string): void {
    if (this.#wanted !== null || this.#ended) return
    this.#wanted = reason
    if (this.#isReady) void this.#terminate()
  }

  /** The script can be signalled now. */
  ready(): void {
    this.#isReady = true
    if (this.#wanted !== null) void this.#terminate()
  }

  /** The script has ended. */
  end(): void {
    this.#ended = true
    clearTimeout(this.#timer)
  }

  async #terminate(): Promise<void> {
    this.#reached = await this.#signal('SIGTERM')
    if (!this.#reached || this.#ended) return
    // A stopped process gets its SIGTERM only when it goes on.
    await this.#signal('SIGCONT')
    if (this.#ended) return
    this.#timer = setTimeout(() => void this.#signal('SIGKILL'), this.#graceMs)
  }
}
