/**
 * Ending a job at the user's wish. The wish is a durable mark, not a status: a marked job is never
 * sent (again), and is `Killed` when its client confirms. If run.sh had ended already, that
 * outcome stands.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { crashPoint } from '../crash-points.ts'
import type { Fact } from '../domain/decide.ts'
import { Fault, messageOf } from '../domain/errors.ts'
import { isActive, isFinal } from '../domain/job.ts'
import type { Job } from '../domain/job.ts'
import type { Log } from '../log.ts'
import type { ActiveJob, JobStore } from '../store/jobs.ts'
import { backOffMs } from './back-off.ts'
import type { Clients } from './clients.ts'
import { findJob } from './find.ts'
import type { ClientGateway } from './gateway.ts'
import type { Sender } from './sender.ts'
import type { JobWatch } from './watch.ts'

/** Beyond KILL_GRACE: for packing and fetching. */
const confirmMs = 2_000

export type TerminatorContext = {
  readonly store: JobStore
  readonly gateway: ClientGateway
  readonly clients: Pick<Clients, 'link'>
  readonly sender: Pick<Sender, 'breakOff' | 'settled'>
  readonly watch: JobWatch
  readonly log: Log
  readonly killGraceMs: number
}

export class Terminator {
  readonly #context: TerminatorContext
  readonly #pursuits = new Map<number, Promise<void>>()
  /** Of these something new was told while they were being ended. */
  readonly #again = new Set<number>()
  readonly #stopping = new AbortController()

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
    crashPoint('terminate: marked')
    const active = await store.current(id)
    if (active && isActive(active.job.status)) void this.pursue(active)
    return (await watch.final(id, killGraceMs + confirmMs)) ?? findJob(store, id)
  }

  /** Tries no more; marks stay, and the next process goes on. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.all(this.#pursuits.values())
  }

  /** Has a marked job ended at its client, however often that has to be tried. */
  pursue(active: ActiveJob): Promise<void> {
    const { id } = active.job
    const running = this.#pursuits.get(id)
    if (running) {
      // What its client is about to answer may be older than what made us come here.
      this.#again.add(id)
      return running
    }
    const pursuit = this.#pursue(active).finally(() => this.#pursuits.delete(id))
    this.#pursuits.set(id, pursuit)
    return pursuit
  }

  async #pursue(active: ActiveJob): Promise<void> {
    const { log } = this.#context
    const { id } = active.job
    for (let tries = 0; !this.#stopping.signal.aborted; tries++) {
      try {
        await this.#killOnce(active)
        if (!this.#again.delete(id)) return
      } catch (error) {
        const again = `job ${id} could not be ended yet, will be tried again`
        if (tries === 0) log.warn({ job: id }, `${again}: ${messageOf(error)}`)
        await delay(backOffMs(tries), undefined, this.#stopping).catch(() => {})
      }
    }
  }

  async #killOnce({ job: { id }, attempt }: ActiveJob): Promise<void> {
    const { store, gateway, sender, clients } = this.#context
    const job = await store.find(id)
    if (!job || job.attempt !== attempt.number || !isActive(job.status)) return
    const reason = 'job terminated'
    const { number } = attempt
    const learn = (fact: Fact) => store.learn(id, fact, Date.now())
    if (clients.link(attempt.client).older) {
      // Whoever asks for it ends it. What is being sent has no id yet to end it by.
      await sender.settled(id)
      await learn({ is: 'unanswered', attempt: number, reason })
      return
    }
    await sender.breakOff(id)
    const known = await gateway.kill(attempt.client, attempt.key, this.#stopping.signal)
    crashPoint('terminate: called')
    if (known) return // its end will come as an event
    await learn({ is: 'lost', attempt: number, reason })
    await learn({ is: 'undelivered', attempt: number, reason, retryAtMs: null })
  }
}
