/**
 * How long each server has been silent, in this client's own uptime: it begins anew at each start,
 * for while no client was there nobody could get in touch, and the wall clock proves nothing.
 */
export class Contacts {
  readonly #nowMs: () => number
  readonly #startedAtMs: number
  readonly #lastAtMs = new Map<string, number>()
  readonly #streams = new Map<string, number>()

  /** @param nowMs the monotonic clock. */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
    this.#startedAtMs = nowMs()
  }

  /** A server has called. */
  touch(serverId: string): void {
    this.#lastAtMs.set(serverId, this.#nowMs())
  }

  /** A server listens, which counts all the time until the returned function is called. */
  begin(serverId: string): () => void {
    this.#streams.set(serverId, (this.#streams.get(serverId) ?? 0) + 1)
    return () => {
      const others = (this.#streams.get(serverId) ?? 0) - 1
      if (others > 0) this.#streams.set(serverId, others)
      else this.#streams.delete(serverId)
      this.touch(serverId)
    }
  }

  /** Milliseconds since this server was last in touch, or since the start if it never was. */
  silentForMs(serverId: string): number {
    if (this.#streams.has(serverId)) return 0
    return this.#nowMs() - (this.#lastAtMs.get(serverId) ?? this.#startedAtMs)
  }
}
