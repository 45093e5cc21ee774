/**
 * Ending a job at the user's wish. The wish is a durable mark, not a status: a marked job is never
 * sent (again), and is `Killed` when its client confirms. If run.sh had ended already, that
 * outcome stands.
 */
import { Fault, messageOf } from '../domain/errors.ts'
import { isActive, isFinal } from '../domain/job.ts'
import type { Job } from '../domain/job.ts'
import type { Log } from '../log.ts'
import type { ActiveJob, JobStore } from '../store/jobs.ts'
import { findJob } from './find.ts'
import type { ClientGateway } from './gateway.ts'
import type { Sender } from './sender.ts'
import type { JobWatch } from './watch.ts'

/** Beyond KILL_GRACE: for packing and fetching. */
const confirmMs = 2_000

export type TerminatorContext = {
  readonly store: JobStore
  readonly gateway: ClientGateway
  readonly sender: Pick<Sender, 'breakOff'>
  readonly watch: JobWatch
  readonly log: Log
  readonly killGraceMs: number
}

export class Terminator {
  readonly #context: TerminatorContext
  readonly #pursuits = new Map<number, Promise<void>>()

  constructor(context: TerminatorContext) {
    this.#context = context
  }

  /**
   * Marks a job, and waits a while for its end.
   *
   * @returns the job as it is then: final, or still marked.
   * @throws Fault `not_found`; `conflict` if it had ended otherwise before.
   */
  async terminate(id: number): Promise<Job> {
    const { store, watch, killGraceMs } = this.#context
    const before = await findJob(store, id)
    if (before.status === 'Killed') return before
    if (isFinal(before.status)) {
      throw new Fault('conflict', `job ${id} has ended already: it is ${before.status}`)
    }
    await store.learn(id, { is: 'terminate requested' }, Date.now())
    const attempt = (await store.attempts(id)).at(-1)
    const job = await findJob(store, id)
    if (attempt && isActive(job.status)) void this.pursue({ job, attempt })
    return (await watch.final(id, killGraceMs + confirmMs)) ?? findJob(store, id)
  }

  /** Has a marked job ended at its client. What fails is tried again at the client's next snapshot. */
  pursue(active: ActiveJob): Promise<void> {
    const { id } = active.job
    const running = this.#pursuits.get(id)
    if (running) return running
    const pursuit = this.#pursue(active)
      .catch((error: unknown) => {
        const { log } = this.#context
        log.warn({ job: id }, `job ${id} could not be ended yet: ${messageOf(error)}`)
      })
      .finally(() => this.#pursuits.delete(id))
    this.#pursuits.set(id, pursuit)
    return pursuit
  }

  async #pursue({ job: { id }, attempt }: ActiveJob): Promise<void> {
    const { store, gateway, sender } = this.#context
    await sender.breakOff(id)
    const known = await gateway.kill(attempt.client, attempt.key)
    if (known) return // its end will come as an event
    const reason = 'job terminated'
    const { number } = attempt
    await store.learn(id, { is: 'lost', attempt: number, reason }, Date.now())
    await store.learn(
      id,
      { is: 'undelivered', attempt: number, reason, retryAtMs: null },
      Date.now(),
    )
  }
}
