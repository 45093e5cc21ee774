import type { Log } from './log.ts'

/** After a fault the body is tried again, later each time, up to this. */
const longestPauseMs = 5_000

/**
 * The one kind of background loop. Its body runs once at the start, then each time somebody calls
 * `wake`, never by a polling interval; wakes that come while it runs are one wake after it.
 *
 * The body may return milliseconds after which it wants to run again by itself: for what has no
 * event, such as a retry that becomes due.
 */
export class Loop {
  readonly #name: string
  readonly #body: (signal: AbortSignal) => Promise<number | undefined>
  readonly #log: Log
  readonly #stopping = new AbortController()
  #awake = false
  #sleeper: (() => void) | undefined
  #running: Promise<void> | undefined

  constructor(name: string, body: (signal: AbortSignal) => Promise<number | undefined>, log: Log) {
    this.#name = name
    this.#body = body
    this.#log = log
  }

  start(): void {
    this.#running ??= this.#run()
  }

  wake(): void {
    this.#awake = true
    this.#sleeper?.()
  }

  /** No further run of the body; resolves when the present one has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#sleeper?.()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    let faults = 0
    let told: string | undefined
    while (!signal.aborted) {
      this.#awake = false
      let pauseMs: number | undefined
      try {
        pauseMs = await this.#body(signal)
        if (told !== undefined) this.#log.info({ loop: this.#name }, `the ${this.#name} goes on`)
        faults = 0
        told = undefined
      } catch (error) {
        if (signal.aborted) return
        pauseMs = Math.min(longestPauseMs, 100 * 2 ** faults++)
        // The same again, such as a full disk, is no news.
        const what = String(error)
        if (what !== told) {
          this.#log.error({ err: error, loop: this.#name }, `the ${this.#name} met a fault`)
        }
        told = what
      }
      if (!this.#awake && !signal.aborted) await this.#sleep(pauseMs)
    }
  }

  async #sleep(pauseMs: number | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#sleeper = resolve
    const timer = pauseMs === undefined ? undefined : setTimeout(resolve, pauseMs)
    await promise
    clearTimeout(timer)
    this.#sleeper = undefined
  }
}
