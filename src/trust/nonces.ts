/**
 * Which requests have come before. Every process that signs has a random name and counts; so what is
 * to be remembered of it is its highest number, and for the numbers just below one bit each. That is
 * 8 KiB, whatever it sends.
 */

/** Requests overtake each other, but not by so many. */
const windowSize = 65_536
const wordBits = 32

/** So many processes are known at the same time, whose secret was right. */
const mostSenders = 256

class Sender {
  readonly #bits = new Uint32Array(windowSize / wordBits)
  #highest = 0
  lastMs = 0

  take(count: number): boolean {
    if (count <= this.#highest - windowSize) return false
    if (count > this.#highest) this.#advance(count)
    else if (this.#has(count)) return false
    this.#set(count, true)
    return true
  }

  #advance(count: number): void {
    if (count - this.#highest >= windowSize) this.#bits.fill(0)
    else for (let at = this.#highest + 1; at < count; at++) this.#set(at, false)
    this.#highest = count
  }

  #has(count: number): boolean {
    const at = count % windowSize
    return ((this.#bits[Math.floor(at / wordBits)] ?? 0) & (1 << (at % wordBits))) !== 0
  }

  #set(count: number, isSet: boolean): void {
    const at = count % windowSize
    const word = Math.floor(at / wordBits)
    const bit = 1 << (at % wordBits)
    const before = this.#bits[word] ?? 0
    this.#bits[word] = isSet ? before | bit : before & ~bit
  }
}

export class Nonces {
  readonly #senders = new Map<string, Sender>()
  readonly #keptMs: number

  /** @param keptMs after so long a request is refused for its age anyway. */
  constructor(keptMs: number) {
    this.#keptMs = keptMs
  }

  /**
   * Notes a request.
   *
   * @param nowMs by a clock that nobody sets.
   * @returns whether it surely has not come before.
   */
  take(sender: string, count: number, nowMs: number): boolean {
    const known = this.#senders.get(sender) ?? this.#admit(sender, nowMs)
    if (!known) return false
    known.lastMs = nowMs
    return known.take(count)
  }

  /** Who is forgotten could be heard again: only who has been silent for long enough is. */
  #admit(name: string, nowMs: number): Sender | undefined {
    if (this.#senders.size >= mostSenders) {
      for (const [other, { lastMs }] of this.#senders) {
        if (nowMs - lastMs > this.#keptMs) this.#senders.delete(other)
      }
      if (this.#senders.size >= mostSenders) return undefined
    }
    const sender = new Sender()
    this.#senders.set(name, sender)
    return sender
  }
}
