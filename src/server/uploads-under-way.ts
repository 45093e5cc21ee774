import { Fault } from '../domain/errors.ts'

/** Uploads that are being received under Idempotency-Keys. None of them outlives the process. */
export class UploadsUnderWay {
  readonly #claims = new Set<string>()

  /**
   * Makes this upload the one that is received under a user's key, until it is disposed of.
   *
   * @throws Fault `under_way` if there is one.
   */
  claim(userId: string, key: string): Disposable {
    const claim = `${userId} ${key}` // neither has a space in it
    if (this.#claims.has(claim)) {
      throw new Fault(
        'under_way',
        `an upload under the Idempotency-Key ${JSON.stringify(key)} is being received; when it ` +
          'has ended, the same request tells its job',
      )
    }
    this.#claims.add(claim)
    return { [Symbol.dispose]: () => void this.#claims.delete(claim) }
  }
}
