/**
 * How long a peer has been silent: the time in which this process itself called and got no answer,
 * from the first failed call to the last. So nothing is judged by a timer, which after a stall of
 * this process (a stopped process, a suspended machine) would tell of a silence that was our own.
 */

/**
 * Calls come closer together than this when nothing holds up this process: the longest pause
 * between two tries, a connection that is not answered, and an answer that does not come are some
 * 13 s together. After a longer gap the silence begins anew.
 */
const longestGapMs = 20_000

export class Silence {
  #firstMs: number | undefined
  #lastMs = 0

  /** A call has failed. @param nowMs by the monotonic clock. */
  failed(nowMs: number): void {
    if (this.#firstMs === undefined || nowMs - this.#lastMs > longestGapMs) this.#firstMs = nowMs
    this.#lastMs = nowMs
  }

  /** The peer has answered, or nothing can be said of it. */
  end(): void {
    this.#firstMs = undefined
  }

  /** Milliseconds; 0 when it answers. */
  get forMs(): number {
    return this.#firstMs === undefined ? 0 : this.#lastMs - this.#firstMs
  }
}
