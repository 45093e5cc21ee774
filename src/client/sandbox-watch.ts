/** Looks whether scripts can be isolated, from when one could not be until they can be again. */
import { setTimeout as delay } from 'node:timers/promises'
import { Fault, messageOf } from '../domain/errors.ts'
import type { Log } from '../log.ts'

const firstPauseMs = 1_000
const longestPauseMs = 60_000

export class SandboxWatch implements AsyncDisposable {
  readonly #trySandbox: () => Promise<string | undefined>
  readonly #onChange: () => void
  readonly #log: Log
  readonly #stopping = new AbortController()
  #trouble: string | undefined
  #trying: Promise<void> | undefined

  /**
   * @param trySandbox what is in the way of a sandbox; `undefined`: nothing.
   * @param onChange called when it is known that there can be none, and when there can be again.
   */
  constructor(trySandbox: () => Promise<string | undefined>, onChange: () => void, log: Log) {
    this.#trySandbox = trySandbox
    this.#onChange = onChange
    this.#log = log
  }

  /** What is in the way; `undefined`: nothing that is known. */
  get trouble(): string | undefined {
    return this.#trouble
  }

  /** @throws Fault `busy` while scripts cannot be isolated. */
  demand(): void {
    if (this.#trouble !== undefined) throw new Fault('busy', this.#trouble)
  }

  /** A script's sandbox could not be made: that may be so for all scripts, or for this one alone. */
  doubt(): void {
    if (this.#trying) return
    this.#trouble = 'a sandbox could not be made: whether any can is being tried'
    this.#trying = this.#untilWell()
      .catch(() => {}) // it was broken off
      .finally(() => (this.#trying = undefined))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    await this.#trying
  }

  async #untilWell(): Promise<void> {
    const { signal } = this.#stopping
    for (let failures = 0; ; failures++) {
      const why = await this.#trySandbox().catch(messageOf)
      if (why === undefined) break
      this.#trouble = `scripts cannot be isolated: ${why}`
      if (failures === 0) {
        this.#log.error(`${this.#trouble}: no new payloads`)
        this.#onChange()
      }
      const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** failures)
      await delay(pauseMs, undefined, { signal, ref: false })
    }
    this.#trouble = undefined
    this.#onChange()
    this.#log.info('scripts can be isolated: payloads are taken')
  }
}
