/** Gives queued jobs to clients. */
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { crashPoint } from '../crash-points.ts'
import { Fault, messageOf } from '../domain/errors.ts'
import type { Fact } from '../domain/decide.ts'
import { maxRuntime } from '../domain/max-runtime.ts'
import type { Quota } from '../domain/quota.ts'
import type { JobFiles } from '../files/job-files.ts'
import type { Log } from '../log.ts'
import { Loop } from '../loop.ts'
import type { Job } from '../domain/job.ts'
import type { ActiveJob, Choice, JobStore } from '../store/jobs.ts'
import { backOffMs, jobBackOffMs } from './back-off.ts'
import type { ClientLink } from './client-link.ts'
import type { Clients } from './clients.ts'
import type { ClientGateway, OlderSubmitAnswer, Progress, SubmitAnswer, Watch } from './gateway.ts'

export type SenderContext = {
  readonly store: JobStore
  readonly files: JobFiles
  readonly clients: Clients
  readonly gateway: ClientGateway
  readonly log: Log
  readonly quotas: ReadonlyMap<string, Quota>
  /** A client that owes an answer for so long, though it is there, has its key cancelled. */
  readonly clientLostAfterMs: number
  /** Milliseconds by service; one that is not named has no limit. */
  readonly maxRuntimes: ReadonlyMap<string, number>
}

/** A job that only a newer client could take waits so long before its turn comes again. */
const passOverMs = 1_000

/** What came of a sending, or that there is nothing to send. */
type Answer =
  | SubmitAnswer
  | Extract<OlderSubmitAnswer, { is: 'unanswered' }>
  | { readonly is: 'broken'; readonly reason: string }

/**
 * Wakes when a job is queued, a slot becomes free or a client comes back. It decides who is next
 * and sends without waiting for one sending before it begins the next.
 */
export class Sender {
  readonly #context: SenderContext
  readonly #loop: Loop
  readonly #sendings = new Map<number, { readonly abort: AbortController; task: Promise<void> }>()

  constructor(context: SenderContext) {
    this.#context = context
    this.#loop = new Loop('sender', (signal) => this.#sendAll(signal), context.log)
  }

  start(): void {
    this.#loop.start()
  }

  wake(): void {
    this.#loop.wake()
  }

  /** Begins no sending any more. */
  async rest(): Promise<void> {
    await this.#loop.stop()
  }

  /** Sends nothing more; what is being sent is broken off, and sent again by the next process. */
  async stop(): Promise<void> {
    await this.#loop.stop()
    const sendings = [...this.#sendings.values()]
    for (const { abort } of sendings) abort.abort()
    await Promise.all(sendings.map(({ task }) => task))
  }

  /** Goes on with an attempt that an earlier process began: under the same key, to the same client. */
  resume(active: ActiveJob): void {
    this.#begin(active, true)
  }

  /** Sends a job that was given to a client just now. */
  send(active: ActiveJob): void {
    this.#begin(active, false)
  }

  /** Whether a client could take this job now. */
  canGive({ service, isFlat }: Job): boolean {
    const quota = this.#context.quotas.get(service)
    return quota !== undefined && this.#link(service, quota, isFlat) !== undefined
  }

  /** Chooses a client for a job; to be called inside the transaction that gives it away. */
  choose(job: Job): Choice {
    const { store, clients, quotas } = this.#context
    const { service, isFlat } = job
    const quota = quotas.get(service)
    if (!quota) return undefined
    const link = this.#link(service, quota, isFlat)
    if (link) {
      clients.give(link)
      const key = `${store.serverId}-${randomBytes(16).toString('hex')}`
      return { key, client: link.address, instance: link.instance }
    }
    // It is not to keep those behind it from a client that could take them.
    if (isFlat || !this.#link(service, quota, true)) return undefined
    const reason = 'it has directories, and waits for a client that is not of version 2.2.3'
    return { passedOverUntilMs: Date.now() + passOverMs, reason }
  }

  /** Resolves when no sending of a job is under way. */
  async settled(id: number): Promise<void> {
    await this.#sendings.get(id)?.task
  }

  /** Breaks off the sending of a job, if there is one; what arrived of it is not known then. */
  async breakOff(id: number): Promise<void> {
    const sending = this.#sendings.get(id)
    sending?.abort.abort()
    await sending?.task
  }

  async #sendAll(signal: AbortSignal): Promise<number | undefined> {
    const { store, clients, quotas } = this.#context
    const retryAtMs = await store.releaseRetries(Date.now())
    // Before anything is chosen: one that is held off then, and not any more when all is sent, was
    // passed over, and nobody would tell.
    const heldOffForMs = clients.heldOffForMs()
    await Promise.all([...quotas].map(([name, quota]) => this.#sendService(name, quota, signal)))
    const waits = [
      heldOffForMs,
      retryAtMs === undefined ? undefined : Math.max(1, retryAtMs - Date.now()),
    ].filter((ms) => ms !== undefined)
    return waits.length === 0 ? undefined : Math.min(...waits)
  }

  async #sendService(service: string, quota: Quota, signal: AbortSignal): Promise<void> {
    const { store } = this.#context
    while (!signal.aborted) {
      if (!this.#link(service, quota, true)) return
      let passedOver = 0
      const choose = (job: Job) => {
        const choice = this.choose(job)
        if (choice && 'passedOverUntilMs' in choice) passedOver++
        return choice
      }
      const claimed = await store.claim(service, quota, choose, Date.now())
      if (claimed) crashPoint('claim: committed')
      if (claimed) this.#begin(claimed, false)
      // One claim passes over only so many; behind them may be one that can be sent.
      else if (passedOver === 0) return
    }
  }

  #link(service: string, { maxRuns }: Quota, isFlat: boolean): ClientLink | undefined {
    return this.#context.clients.choose(service, maxRuns, isFlat)
  }

  #begin(active: ActiveJob, mayHaveArrived: boolean): void {
    const { id } = active.job
    const abort = new AbortController()
    const task = this.#deliver(active, mayHaveArrived, abort.signal)
      .catch((error: unknown) => {
        if (abort.signal.aborted) return
        this.#context.log.error({ err: error, job: id }, `job ${id} could not be sent`)
      })
      .finally(() => {
        // The job may be on its next attempt already.
        if (this.#sendings.get(id)?.abort === abort) this.#sendings.delete(id)
        // Its client may take another one now.
        this.wake()
      })
    this.#sendings.set(id, { abort, task })
  }

  /** Sends until it is known what became of it; so long its client owes an answer. */
  async #deliver(active: ActiveJob, mayHaveArrived: boolean, signal: AbortSignal): Promise<void> {
    const link = this.#context.clients.link(active.attempt.client)
    const sending = link.sendings.begin()
    const onProgress = (progress: Progress) => {
      crashPoint(progress.isSent ? 'send: sent' : 'send: half sent')
      if (sending.progress(progress)) this.wake()
    }
    try {
      await this.#persist(active, link, mayHaveArrived, { signal, onProgress })
    } finally {
      link.sendings.end(sending)
    }
  }

  async #persist(
    active: ActiveJob,
    link: ClientLink,
    mayHaveArrived: boolean,
    watch: Watch,
  ): Promise<void> {
    const { signal } = watch
    let unknown = mayHaveArrived
    const sinceMs = performance.now()
    for (let tries = 0; ; tries++) {
      if (unknown) await link.whenReachable(signal)
      if (unknown && (link.older || link.instance !== active.attempt.instance)) {
        // It cannot be asked what it has, or has forgotten it, and would start a second script.
        const reason = 'its client may have it, but cannot tell'
        return this.#settle(active, link, { is: 'unanswered', reason })
      }
      const trouble = await this.#try(active, link, watch, unknown)
      if (trouble === undefined) return
      unknown = true
      const isLate = performance.now() - sinceMs > this.#context.clientLostAfterMs
      if (isLate && (await this.#cancel(active, link, signal))) {
        const reason = `it did not say whether it has it: ${trouble}`
        return this.#settle(active, link, { is: 'not now', reason, fault: 'client' })
      }
      await delay(backOffMs(tries), undefined, { signal })
    }
  }

  /** @returns whether the client surely does not have it, and never will. */
  async #cancel(
    { job, attempt }: ActiveJob,
    link: ClientLink,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { gateway, log } = this.#context
    try {
      await gateway.cancel(link.address, attempt.key, signal)
      return true
    } catch (error) {
      if (signal.aborted) throw error
      log.warn({ job: job.id }, `job ${job.id} could not be cancelled: ${messageOf(error)}`)
      return false
    }
  }

  /**
   * @param mayHaveArrived whether an earlier try is on its way still, or there already.
   * @returns why it has to be sent again under the same key; `undefined` if it has not.
   */
  async #try(
    active: ActiveJob,
    link: ClientLink,
    watch: Watch,
    mayHaveArrived: boolean,
  ): Promise<string | undefined> {
    const { id } = active.job
    const { log } = this.#context
    const again = `job ${id} may have arrived, will be sent again`
    try {
      if (!(await this.#isStillToBeSent(active))) return
      const { stream } = link
      const answer = await this.#send(active, link, watch)
      // That this try was not taken says nothing of the one before it, which is made sure of first.
      const isSure = answer.is !== 'not now' || !mayHaveArrived
      if (answer.is !== 'unknown' && (isSure || (await this.#cancel(active, link, watch.signal)))) {
        crashPoint('send: answered')
        await this.#settle(active, link, answer)
        crashPoint('send: settled')
        // A snapshot that was asked for while it was not accepted yet could not tell of its loss.
        const isWatched = stream !== undefined && stream === link.stream
        if (answer.is === 'accepted' && !isWatched && !link.older) link.resync()
        return
      }
      log.warn({ job: id }, `${again}: ${answer.reason}`)
      return answer.reason
    } catch (error) {
      if (watch.signal.aborted) throw error
      log.error({ err: error, job: id }, `${again}: ${messageOf(error)}`)
      return messageOf(error)
    }
  }

  /** An event may have told meanwhile that it arrived; a job that is to end is not sent. */
  async #isStillToBeSent({ job: { id, attempt } }: ActiveJob): Promise<boolean> {
    const job = await this.#context.store.find(id)
    return (
      job?.status === 'Processing' && job.attempt === attempt && job.terminateRequestedAtMs === null
    )
  }

  async #send(active: ActiveJob, link: ClientLink, watch: Watch): Promise<Answer> {
    const { files, gateway, maxRuntimes } = this.#context
    const { job, attempt } = active
    try {
      const inputs = await files.inputs(job.id)
      const options = {
        key: attempt.key,
        jobId: job.id,
        userId: job.userId,
        service: job.service,
        attempt: attempt.number,
        ...(attempt.instance !== null && { instance: attempt.instance }),
        ...maxRuntime(job.maxRuntimeMs, maxRuntimes.get(job.service)),
      }
      return link.older
        ? await link.older.submit(active, inputs, watch)
        : await gateway.submit(link.address, options, inputs, watch)
    } catch (error) {
      if (!(error instanceof Fault && error.code === 'not_found')) throw error
      return { is: 'broken', reason: error.message }
    }
  }

  async #settle(
    { job, attempt: { number: attempt } }: ActiveJob,
    link: ClientLink,
    answer: Exclude<Answer, { is: 'unknown' }>,
  ): Promise<void> {
    const learn = (fact: Fact) => this.#context.store.learn(job.id, fact, Date.now())
    switch (answer.is) {
      case 'accepted':
        link.took()
        await learn({ ...answer, attempt })
        return
      case 'not now':
        if (answer.fault === 'client') link.holdOff()
        await learn({
          is: 'undelivered',
          attempt,
          reason: answer.reason,
          retryAtMs: answer.fault === 'job' ? Date.now() + jobBackOffMs(attempt) : null,
        })
        return
      case 'unanswered':
        // Whatever ails it, the job is not to lose all its attempts to it within a second.
        link.holdOff()
        await learn({ is: answer.is, attempt, reason: answer.reason })
        return
      case 'refused':
      case 'broken':
        await learn({ is: answer.is, attempt, reason: answer.reason })
    }
  }
}
