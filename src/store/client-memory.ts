/** What a client remembers beside its payloads, across restarts. */
export interface ClientMemory extends Disposable {
  /** New when the memory of payloads is gone. */
  readonly instance: string

  /** An id that no payload of this instance has or had, whatever process died in between. */
  nextPayloadId(): number

  /** From now on a submission under this key is refused; durable when it returns. */
  refuse(key: string, nowMs: number): void

  /**
   * The same for keys whose server has all that it wanted. It survives the end of this process; only
   * a power cut could undo it, and no request outlives that.
   */
  forget(keys: readonly string[], nowMs: number): void

  /** Whether the key was refused or forgotten. */
  isRefused(key: string): boolean

  /** Drops refusals older than this. */
  dropRefusals(beforeMs: number): void
}
