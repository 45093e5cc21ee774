import type { Log } from '../log.ts'

/** Ending a script: asked politely first, then not; the first reason wins. */
export class Termination {
  /** Sends a signal to all of the script; `false` if nothing of it is there. */
  readonly #signal: (name: NodeJS.Signals) => boolean | Promise<boolean>
  readonly #log: Log
  readonly #graceMs: number
  #wanted: string | null = null
  #reached = false
  #isReady = false
  #isUrgent = false
  #ended = false
  #timer: NodeJS.Timeout | undefined
  #signalling: Promise<unknown> = Promise.resolve()

  constructor(
    graceMs: number,
    signal: (name: NodeJS.Signals) => boolean | Promise<boolean>,
    log: Log,
  ) {
    this.#graceMs = graceMs
    this.#signal = signal
    this.#log = log
  }

  /** Why it was ended, if the kill reached it while it was there. */
  get killReason(): string | null {
    return this.#reached ? this.#wanted : null
  }

  /** Why somebody wanted it to end. */
  get wanted(): string | null {
    return this.#wanted
  }

  /**
   * Begins to end the script, as soon as it can be signalled.
   *
   * @param isUrgent it is not asked politely.
   */
  begin(reason: string, isUrgent = false): void {
    if (this.#ended || (this.#wanted !== null && !isUrgent)) return
    this.#wanted ??= reason
    this.#isUrgent ||= isUrgent
    if (this.#isReady) this.#terminate()
  }

  /** The script can be signalled now. */
  ready(): void {
    this.#isReady = true
    if (this.#wanted !== null) this.#terminate()
  }

  /** The script has ended. */
  end(): void {
    this.#ended = true
    clearTimeout(this.#timer)
  }

  /**
   * Resolves when no signal is under way any more: who has died of one may be seen to have before
   * it is known that it was reached.
   */
  get settled(): Promise<unknown> {
    return this.#signalling
  }

  #terminate(): void {
    if (this.#isUrgent) {
      clearTimeout(this.#timer)
      return this.#try(['SIGKILL'])
    }
    this.#timer = setTimeout(() => this.#try(['SIGKILL']), this.#graceMs)
    // A stopped process gets its SIGTERM only when it goes on.
    this.#try(['SIGTERM', 'SIGCONT'])
  }

  #try(names: readonly NodeJS.Signals[]): void {
    const all = async () => {
      for (const name of names) {
        if (this.#ended) return
        if (await this.#signal(name)) this.#reached = true
      }
    }
    const before = this.#signalling
    const now = all().catch((error: unknown) => {
      this.#log.error({ err: error }, `a script could not be sent ${names.join(' and ')}`)
    })
    this.#signalling = Promise.all([before, now])
  }
}
