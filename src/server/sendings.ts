/** Sendings to one client that are under way, and how they get on. */

import type { Progress } from './gateway.ts'

/** A sending that waits for longer makes its client slow. */
const slowMs = 2_000
/** So much may be in buffers on the way: that it has left says nothing of the client. */
const mostUnreadBytes = 1024 * 1024

/** One sending, from the decision until it is known what became of it. */
export class Sending {
  #sinceMs = performance.now()
  #isMoving = false

  /**
   * More of it has left.
   *
   * @returns whether it waited before, and does so no more.
   */
  progress({ leftBytes, isSent }: Progress): boolean {
    const waited = this.isWaiting
    this.#isMoving = !isSent && leftBytes > mostUnreadBytes
    this.#sinceMs = performance.now()
    return waited && this.#isMoving
  }

  /** It has not begun to move, has stopped, or is sent and not answered. */
  get isWaiting(): boolean {
    return !this.#isMoving || this.#standsForLong
  }

  get isSlow(): boolean {
    return this.isWaiting && this.#standsForLong
  }

  get #standsForLong(): boolean {
    return performance.now() - this.#sinceMs > slowMs
  }
}

export class Sendings {
  readonly #open = new Set<Sending>()

  begin(): Sending {
    const sending = new Sending()
    this.#open.add(sending)
    return sending
  }

  end(sending: Sending): void {
    this.#open.delete(sending)
  }

  get waiting(): number {
    return [...this.#open].filter(({ isWaiting }) => isWaiting).length
  }

  get areSlow(): boolean {
    return this.#open.values().some(({ isSlow }) => isSlow)
  }
}
