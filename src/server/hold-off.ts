import { backOffMs } from './back-off.ts'

/** A client that refuses for now is left alone for a while, longer each time in a row. */
export class HoldOff {
  #refusals = 0
  /** By the monotonic clock. */
  #untilMs = 0

  /** It has refused. */
  begin(): void {
    this.#untilMs = performance.now() + backOffMs(this.#refusals++)
  }

  /** It may be tried again; if it refuses then, it is left alone for longer. */
  end(): void {
    this.#untilMs = 0
  }

  /** It has taken something, or is another one now. */
  forget(): void {
    this.#refusals = 0
  }

  /** Milliseconds; 0 when it may be tried. */
  get forMs(): number {
    return Math.max(0, this.#untilMs - performance.now())
  }
}
