/**
 * Gives the jobs of a client that has been silent for CLIENT_LOST_AFTER to others. A job stays where
 * it is until another client with a free slot takes it, and a client that comes back before goes on
 * with it. What ran on both sides is the price of not waiting for ever: one result counts, that of
 * the job's current attempt; what the other has is cancelled when it comes back.
 */
import { crashPoint } from '../crash-points.ts'
import { sayDuration } from '../domain/duration.ts'
import { isActive } from '../domain/job.ts'
import type { Job } from '../domain/job.ts'
import type { Log } from '../log.ts'
import { Loop } from '../loop.ts'
import type { Choice, JobStore } from '../store/jobs.ts'
import type { ClientLink } from './client-link.ts'
import type { Clients } from './clients.ts'
import type { Sender } from './sender.ts'

export type RelocatorContext = {
  readonly store: JobStore
  readonly clients: Pick<Clients, 'all'>
  readonly sender: Pick<Sender, 'breakOff' | 'canGive' | 'choose' | 'resume' | 'send'>
  readonly log: Log
  readonly clientLostAfterMs: number
}

/** Wakes when a call to a client has failed, and when a client can take a job. */
export class Relocator {
  readonly #context: RelocatorContext
  readonly #loop: Loop

  constructor(context: RelocatorContext) {
    this.#context = context
    this.#loop = new Loop('relocator', (signal) => this.relocate(signal), context.log)
  }

  start(): void {
    this.#loop.start()
  }

  wake(): void {
    this.#loop.wake()
  }

  async stop(): Promise<void> {
    await this.#loop.stop()
  }

  /** Goes once through the jobs of all clients that are lost. */
  async relocate(signal: AbortSignal): Promise<undefined> {
    for (const link of this.#context.clients.all()) {
      if (!this.#isLost(link)) continue
      for (const id of link.activeJobs) {
        if (signal.aborted) return
        await this.#relocateOne(link, id)
      }
    }
  }

  #isLost(link: ClientLink): boolean {
    return !link.reachable && link.lostForMs >= this.#context.clientLostAfterMs
  }

  async #relocateOne(link: ClientLink, id: number): Promise<void> {
    const { store, sender } = this.#context
    const active = await store.current(id)
    if (!active || !isActive(active.job.status)) return
    const { job, attempt } = active
    if (attempt.client.uploadUrl !== link.address.uploadUrl || !this.#isLost(link)) return
    const reason = `its client was silent for ${sayDuration(link.lostForMs)}`
    const fact = { is: 'client lost', attempt: attempt.number, reason } as const
    if (job.terminateRequestedAtMs !== null) {
      // Nobody else is needed for that.
      await store.learn(id, fact, Date.now())
      return
    }
    // It must not come back between the look and the act.
    const choose = (one: Job): Choice => (this.#isLost(link) ? sender.choose(one) : undefined)
    if (!sender.canGive(job)) return
    if (job.status === 'Processing') await sender.breakOff(id)
    const moved = await store.relocate(id, fact, choose, Date.now())
    if (moved) crashPoint('move: committed')
    if (moved) sender.send(moved)
    else if (job.status === 'Processing') await this.#resume(id, attempt.number)
  }

  /** What was broken off for nothing goes on. */
  async #resume(id: number, attempt: number): Promise<void> {
    const { store, sender } = this.#context
    const active = await store.current(id)
    if (active?.job.status === 'Processing' && active.job.attempt === attempt) sender.resume(active)
  }
}
