/** Gives queued jobs to clients. */
import { randomUUID } from 'node:crypto'
import { crashPoint } from '../crash-points.ts'
import type { Quota } from '../domain/quota.ts'
import { Loop } from '../loop.ts'
import type { Job } from '../domain/job.ts'
import type { ActiveJob, Choice } from '../store/jobs.ts'
import type { ClientLink } from './client-link.ts'
import type { Clients } from './clients.ts'
import { Delivery } from './deliver.ts'
import type { DeliveryContext } from './deliver.ts'
import type { Progress } from './gateway.ts'

export type SenderContext = DeliveryContext & {
  readonly clients: Clients
  readonly quotas: ReadonlyMap<string, Quota>
}

/** A job that only a newer client could take waits so long before its turn comes again. */
const passOverMs = 1_000

/**
 * Wakes when a job is queued, a slot becomes free or a client comes back. It decides who is next
 * and sends without waiting for one sending before it begins the next.
 */
export class Sender {
  readonly #context: SenderContext
  readonly #loop: Loop
  readonly #sendings = new Map<number, { readonly abort: AbortController; task: Promise<void> }>()
  readonly #offers = new Set<Promise<unknown>>()
  #isResting = false

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

  /**
   * A job of this service is being queued: who is next is given away by the same commit. What else
   * could be is left to the loop.
   */
  offer(service: string): void {
    const quota = this.#context.quotas.get(service)
    if (this.#isResting || !quota || !this.#link(service, quota, true)) return
    const offer: Promise<unknown> = this.#claim(service, quota)
      .catch((error: unknown) => {
        // The loop finds the same, and tries again.
        this.#context.log.debug({ err: error }, 'a new job could not be given away at once')
      })
      .finally(() => this.#offers.delete(offer))
    this.#offers.add(offer)
  }

  /** Begins no sending any more. */
  async rest(): Promise<void> {
    this.#isResting = true
    await this.#loop.stop()
    await Promise.all(this.#offers)
  }

  /** Sends nothing more; what is being sent is broken off, and sent again by the next process. */
  async stop(): Promise<void> {
    await this.rest()
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
      const key = `${store.serverId}-${randomUUID().replaceAll('-', '')}`
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
    // One after the other: the choice of a client takes into account what was given away before.
    while (!signal.aborted) {
      if (!this.#link(service, quota, true)) return
      if (!(await this.#claim(service, quota))) return
    }
  }

  /**
   * Several of these may be part of one commit, so what is given counts from its choice on.
   *
   * @returns whether another one may be given away now.
   */
  async #claim(service: string, quota: Quota): Promise<boolean> {
    const { store, clients } = this.#context
    let passedOver = 0
    let link: ClientLink | undefined
    const choose = (job: Job) => {
      const choice = this.choose(job)
      if (choice && 'passedOverUntilMs' in choice) passedOver++
      else if (choice) {
        link = clients.link(choice.client)
        link.promised++
      }
      return choice
    }
    try {
      const claimed = await store.claim(service, quota, choose, Date.now())
      if (claimed) crashPoint('claim: committed')
      if (claimed) this.#begin(claimed, false)
      // One claim passes over only so many; behind them may be one that can be sent.
      return claimed !== undefined || passedOver > 0
    } finally {
      if (link) link.promised--
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
      await new Delivery(this.#context, active, link, { signal, onProgress }).persist(
        mayHaveArrived,
      )
    } finally {
      link.sendings.end(sending)
    }
  }
}
