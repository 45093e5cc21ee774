/** Brings results back: whole, durable, and only then forgotten by the client. */
import { crashPoint } from '../crash-points.ts'
import { Fault, messageOf } from '../domain/errors.ts'
import { isActive } from '../domain/job.ts'
import type { Ending, Result } from '../domain/job.ts'
import type { JobFiles } from '../files/job-files.ts'
import type { Log } from '../log.ts'
import { Loop } from '../loop.ts'
import type { ActiveJob, JobStore } from '../store/jobs.ts'
import { backOffMs } from './back-off.ts'
import type { Forgetter } from './forgetter.ts'
import type { ClientGateway } from './gateway.ts'
import { recordEnd } from './record-end.ts'

/** Results that are fetched at the same time from one client: none is to wait for another's. */
const mostFetches = 8
/** A result that is not what was announced so many times is given up. */
const mostMismatches = 3

/** How an attempt ended, as its client said. */
export type AttemptEnd = {
  readonly status: Ending
  readonly message: string
  readonly result: Result
}

type Fetch = {
  readonly active: ActiveJob
  end: AttemptEnd
  /** The result, if it was told together with the end. */
  content: Uint8Array | undefined
  failures: number
  mismatches: number
  /** Why it failed the last time: the same again is no news. */
  told?: string
  /** By the monotonic clock. */
  notBefore: number
}

export type GetterContext = {
  readonly store: JobStore
  readonly files: JobFiles
  readonly gateway: ClientGateway
  readonly forgetter: Forgetter
  readonly log: Log
}

/** Wakes when a client says that a payload ended. */
export class Getter {
  readonly #context: GetterContext
  readonly #loop: Loop
  readonly #waiting = new Map<string, Fetch>()
  readonly #fetching = new Map<string, { readonly from: string; readonly task: Promise<void> }>()
  readonly #stopping = new AbortController()

  constructor(context: GetterContext) {
    this.#context = context
    this.#loop = new Loop('getter', async () => this.#fetchAll(), context.log)
  }

  start(): void {
    this.#loop.start()
  }

  /** Breaks off what is being fetched; the client offers it again to the next process. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#loop.stop()
    await Promise.all(this.#fetching.values().map(({ task }) => task))
  }

  /**
   * Has a result fetched; once only, however often it is said. What backs off is tried at once.
   *
   * @param content the result, if it is here already.
   */
  add(active: ActiveJob, end: AttemptEnd, content?: Uint8Array): void {
    const { key } = active.attempt
    if (this.#fetching.has(key)) return
    const waiting = this.#waiting.get(key)
    // A client that was ended before its result was on its disk has packed it again.
    if (waiting) Object.assign(waiting, { end, content, notBefore: 0 })
    else this.#waiting.set(key, { active, end, content, failures: 0, mismatches: 0, notBefore: 0 })
    this.#loop.wake()
  }

  #fetchAll(): number | undefined {
    const now = performance.now()
    let next: number | undefined
    const open = new Map<string, number>()
    for (const { from } of this.#fetching.values()) open.set(from, (open.get(from) ?? 0) + 1)
    for (const [key, fetch] of this.#waiting) {
      const from = fetch.active.attempt.client.uploadUrl
      const fetches = open.get(from) ?? 0
      if (fetches >= mostFetches) continue
      if (fetch.notBefore > now) {
        next = Math.min(next ?? Infinity, fetch.notBefore - now)
        continue
      }
      this.#waiting.delete(key)
      const task = this.#fetch(fetch).finally(() => {
        this.#fetching.delete(key)
        this.#loop.wake()
      })
      this.#fetching.set(key, { from, task })
      open.set(from, fetches + 1)
    }
    return next
  }

  async #fetch(fetch: Fetch): Promise<void> {
    const { job, attempt } = fetch.active
    const { store, files, gateway, forgetter, log } = this.#context
    try {
      const now = await store.findByKey(attempt.key)
      if (now?.job.attempt !== attempt.number || !isActive(now.job.status)) {
        // Its client has it still, and would keep it for a server that never asks again.
        return forgetter.forget(fetch.active)
      }
      await files.demandRoom(fetch.end.result)
      const body = fetch.content
        ? [fetch.content]
        : await gateway.result(attempt.client, attempt.key, this.#stopping.signal)
      // Whatever is wrong with it, the next try is to have what the client has.
      fetch.content = undefined
      await files.storeResult(job.id, attempt.number, body, fetch.end.result)
      crashPoint('retrieve: stored')
      await recordEnd(this.#context, job.id, {
        is: 'ended',
        attempt: attempt.number,
        ...fetch.end,
      })
    } catch (error) {
      if (this.#stopping.signal.aborted) return
      const { code, message } =
        error instanceof Fault ? error : { code: '', message: messageOf(error) }
      if ((code || message) !== fetch.told) {
        log.warn(
          { job: job.id, ...(!(error instanceof Fault) && { err: error }) },
          `the result of job ${job.id} could not be fetched, will be tried again: ${message}`,
        )
      }
      fetch.told = code || message
      return this.#tryAgain(fetch, error)
    }
    forgetter.forget(fetch.active)
  }

  async #tryAgain(fetch: Fetch, error: unknown): Promise<void> {
    const { store, gateway, log } = this.#context
    const { job, attempt } = fetch.active
    if (error instanceof Fault && error.code === 'conflict') fetch.mismatches++
    if (fetch.mismatches >= mostMismatches) {
      const reason = `its result came wrong ${mostMismatches} times: ${messageOf(error)}`
      try {
        await gateway.cancel(attempt.client, attempt.key, this.#stopping.signal)
        crashPoint('retrieve: given up')
        await store.learn(job.id, { is: 'lost', attempt: attempt.number, reason }, Date.now())
        return
      } catch (cause) {
        log.warn({ job: job.id, err: cause }, `attempt ${attempt.number} could not be cancelled`)
      }
    }
    fetch.notBefore = performance.now() + backOffMs(fetch.failures++)
    this.#waiting.set(attempt.key, fetch)
  }
}
