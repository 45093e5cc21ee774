/**
 * Whether the wall clock can be trusted. Ages are told by the wall clock, for they outlive the
 * process; but after a step of that clock everything may look too old at once. So whoever removes
 * by age looks at both clocks before, and rests for a while after they have gone apart: a step by
 * NTP or by hand, a machine that was suspended.
 *
 * It rests, and does not judge: after the rest the clock is believed. That gives whoever runs this
 * the time to read the warning. Where MAX_AGE is an hour or less, the rest is as long, so that
 * nothing goes before it is that old in truth.
 *
 * What this cannot see: a clock that was set forward while no process was there.
 */
import { sayDuration } from './duration.ts'

/** Both clocks at the same moment. */
export type Reading = {
  /** Milliseconds since 1970. */
  readonly wallMs: number
  /** Milliseconds since some moment, never set; it stands still while the machine is suspended. */
  readonly monotonicMs: number
}

/** Clocks that are merely corrected (at most 1.8 s an hour) stay within this between two looks. */
const toleranceMs = 5_000
const longestRestMs = 3_600_000
/** A machine that has just been started may be about to get its time from the network. */
const settleMs = 10_000
/** Look at least as often. */
const longestPauseMs = 3_600_000
const shortestPauseMs = 100

export class ClockWatch {
  readonly #maxAgeMs: number
  readonly #restMs: number
  #last: Reading
  /** By the monotonic clock. */
  #restUntilMs: number

  /**
   * @param maxAgeMs what is older is removed.
   * @param first the clocks at the start.
   * @param lastSeenMs the newest time that an earlier process remembered, if there is any: a wall
   *   clock that is before it has gone back.
   */
  constructor(maxAgeMs: number, first: Reading, lastSeenMs: number | null) {
    this.#maxAgeMs = maxAgeMs
    this.#restMs = Math.min(longestRestMs, maxAgeMs)
    this.#restUntilMs = first.monotonicMs + Math.min(settleMs, maxAgeMs)
    this.#last = { ...first, wallMs: Math.max(first.wallMs, lastSeenMs ?? -Infinity) }
  }

  /**
   * Compares the clocks with the last look.
   *
   * @returns how long nothing may be removed yet, 0 if it may; and what to warn of, once.
   */
  look(now: Reading): { readonly restMs: number; readonly warning: string | undefined } {
    const wallMs = now.wallMs - this.#last.wallMs
    const jumpMs = wallMs - (now.monotonicMs - this.#last.monotonicMs)
    this.#last = now
    const hasJumped = Math.abs(jumpMs) > toleranceMs
    if (hasJumped) this.#restUntilMs = now.monotonicMs + this.#restMs
    return {
      restMs: Math.max(0, this.#restUntilMs - now.monotonicMs),
      warning: hasJumped ? this.#warn(jumpMs) : undefined,
    }
  }

  /**
   * When to look again.
   *
   * @param dueMs until the next thing is too old; `undefined` if nothing is there that could be:
   *   what comes now is not before MAX_AGE.
   */
  pauseMs(dueMs: number | undefined): number {
    const pauseMs = Math.min(dueMs ?? this.#maxAgeMs, longestPauseMs)
    return Math.max(pauseMs, shortestPauseMs)
  }

  #warn(jumpMs: number): string {
    const way = jumpMs > 0 ? 'forward' : 'back'
    const far = sayDuration(Math.abs(jumpMs))
    const rest = sayDuration(this.#restMs)
    return `the clock has jumped ${way} by ${far}: nothing is cleaned until it is steady for ${rest}`
  }
}
