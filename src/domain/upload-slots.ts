/**
 * Uploads that are being received: so many at once, and so many of one user. What is refused here has
 * cost nothing yet; what is taken is given back however the upload ends.
 */
import { Fault } from './errors.ts'

export class UploadSlots {
  readonly #most: number
  readonly #mostPerUser: number
  #open = 0
  readonly #openOf = new Map<string, number>()

  /** @param most MAX_UPLOADS. @param mostPerUser MAX_UPLOADS_PER_USER; none where users are not known. */
  constructor(most: number, mostPerUser = Infinity) {
    this.#most = most
    this.#mostPerUser = mostPerUser
  }

  /** How many are being received. */
  get open(): number {
    return this.#open
  }

  /** @throws Fault `busy` */
  take(): UploadSlot {
    if (this.#open >= this.#most) {
      throw new Fault(
        'busy',
        `${this.#open} uploads are being received, and no more may be (MAX_UPLOADS)`,
      )
    }
    this.#open++
    let whose: string | undefined
    return {
      assign: (userId) => {
        if (whose !== undefined) return
        const open = this.#countOf(userId)
        if (open >= this.#mostPerUser) {
          throw new Fault(
            'too_many',
            `${open} uploads of this user are being received, and no more may be (MAX_UPLOADS_PER_USER)`,
          )
        }
        this.#openOf.set(userId, open + 1)
        whose = userId
      },
      [Symbol.dispose]: () => {
        this.#open--
        if (whose === undefined) return
        const left = this.#countOf(whose) - 1
        if (left > 0) this.#openOf.set(whose, left)
        else this.#openOf.delete(whose)
      },
    }
  }

  #countOf(userId: string): number {
    return this.#openOf.get(userId) ?? 0
  }
}

/** One of them. */
export type UploadSlot = Disposable & {
  /**
   * Says whose it is, once that is known.
   *
   * @throws Fault `too_many`
   */
  assign(userId: string): void
}
