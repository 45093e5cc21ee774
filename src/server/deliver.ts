/** One sending of a job: repeated under its key until it is known what became of it. */
import { setTimeout as delay } from 'node:timers/promises'
import { crashPoint } from '../crash-points.ts'
import type { Fact } from '../domain/decide.ts'
import { Fault, messageOf } from '../domain/errors.ts'
import type { Job } from '../domain/job.ts'
import { allOf, smaller } from '../domain/limits.ts'
import type { LimitValues } from '../domain/limits.ts'
import { maxRuntime } from '../domain/max-runtime.ts'
import type { JobFiles } from '../files/job-files.ts'
import type { Log } from '../log.ts'
import type { ActiveJob, JobStore } from '../store/jobs.ts'
import { backOffMs, jobBackOffMs } from './back-off.ts'
import type { ClientLink } from './client-link.ts'
import type { ClientGateway, OlderSubmitAnswer, SubmitAnswer, Watch } from './gateway.ts'

export type DeliveryContext = {
  readonly store: JobStore
  readonly files: JobFiles
  readonly gateway: ClientGateway
  readonly log: Log
  /** A client that owes an answer for so long, though it is there, has its key cancelled. */
  readonly clientLostAfterMs: number
  /** Milliseconds by service; one that is not named has no limit. */
  readonly maxRuntimes: ReadonlyMap<string, number>
  /** What the scripts of each service may use; one that is not named has no limits. */
  readonly limits: ReadonlyMap<string, LimitValues>
}

/** What came of a sending, or that there is nothing to send. */
type Answer =
  | SubmitAnswer
  | Extract<OlderSubmitAnswer, { is: 'unanswered' }>
  | { readonly is: 'broken'; readonly reason: string }

/** The smaller ones of what its upload asked for and of what its service allows. */
function sentLimits(job: Job, ofService: LimitValues = {}) {
  const limits = smaller(allOf(ofService, 'service'), allOf(job.limits, 'upload'))
  return Object.keys(limits).length === 0 ? {} : { limits }
}

export class Delivery {
  readonly #context: DeliveryContext
  readonly #active: ActiveJob
  readonly #link: ClientLink
  readonly #watch: Watch

  constructor(context: DeliveryContext, active: ActiveJob, link: ClientLink, watch: Watch) {
    this.#context = context
    this.#active = active
    this.#link = link
    this.#watch = watch
  }

  /**
   * Sends until it is known what became of it.
   *
   * @param mayHaveArrived whether an earlier process has sent it already.
   * @throws the reason of the signal when that breaks it off.
   */
  async persist(mayHaveArrived: boolean): Promise<void> {
    const { signal } = this.#watch
    const [active, link] = [this.#active, this.#link]
    let unknown = mayHaveArrived
    const sinceMs = performance.now()
    for (let tries = 0; ; tries++) {
      if (unknown) await link.whenReachable(signal)
      if (unknown && (link.older || link.instance !== active.attempt.instance)) {
        // It cannot be asked what it has, or has forgotten it, and would start a second script.
        const reason = 'its client may have it, but cannot tell'
        return this.#settle({ is: 'unanswered', reason })
      }
      const trouble = await this.#try(unknown)
      if (trouble === undefined) return
      unknown = true
      const isLate = performance.now() - sinceMs > this.#context.clientLostAfterMs
      if (isLate && (await this.#cancel())) {
        const reason = `it did not say whether it has it: ${trouble}`
        return this.#settle({ is: 'not now', reason, fault: 'client' })
      }
      await delay(backOffMs(tries), undefined, { signal })
    }
  }

  /** @returns whether the client surely does not have it, and never will. */
  async #cancel(): Promise<boolean> {
    const { gateway, log } = this.#context
    const { job, attempt } = this.#active
    const { signal } = this.#watch
    try {
      await gateway.cancel(this.#link.address, attempt.key, signal)
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
  async #try(mayHaveArrived: boolean): Promise<string | undefined> {
    const link = this.#link
    const { id } = this.#active.job
    const { log } = this.#context
    const again = `job ${id} may have arrived, will be sent again`
    try {
      if (!(await this.#isStillToBeSent())) return
      const { stream } = link
      const answer = await this.#send()
      // That this try was not taken says nothing of the one before it, which is made sure of first.
      const isSure = answer.is !== 'not now' || !mayHaveArrived
      if (answer.is !== 'unknown' && (isSure || (await this.#cancel()))) {
        crashPoint('send: answered')
        await this.#settle(answer)
        crashPoint('send: settled')
        // A snapshot that was asked for while it was not accepted yet could not tell of its loss.
        const isWatched = stream !== undefined && stream === link.stream
        if (answer.is === 'accepted' && !isWatched && !link.older) link.resync()
        return
      }
      log.warn({ job: id }, `${again}: ${answer.reason}`)
      return answer.reason
    } catch (error) {
      if (this.#watch.signal.aborted) throw error
      log.error({ err: error, job: id }, `${again}: ${messageOf(error)}`)
      return messageOf(error)
    }
  }

  /** An event may have told meanwhile that it arrived; a job that is to end is not sent. */
  async #isStillToBeSent(): Promise<boolean> {
    const { id, attempt } = this.#active.job
    const job = await this.#context.store.find(id)
    return (
      job?.status === 'Processing' && job.attempt === attempt && job.terminateRequestedAtMs === null
    )
  }

  async #send(): Promise<Answer> {
    const [active, link, watch] = [this.#active, this.#link, this.#watch]
    const { files, gateway, maxRuntimes, limits } = this.#context
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
        ...sentLimits(job, limits.get(job.service)),
      }
      return link.older
        ? await link.older.submit(active, inputs, watch)
        : await gateway.submit(link.address, options, inputs, watch)
    } catch (error) {
      if (!(error instanceof Fault && error.code === 'not_found')) throw error
      return { is: 'broken', reason: error.message }
    }
  }

  async #settle(answer: Exclude<Answer, { is: 'unknown' }>): Promise<void> {
    const { job } = this.#active
    const attempt = this.#active.attempt.number
    const link = this.#link
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
