/**
 * Acts on what clients tell of payloads: matched by key alone, for an end may arrive before the
 * answer to `/submit` is recorded, and is right.
 */
import { crashPoint } from '../crash-points.ts'
import { Fault, messageOf } from '../domain/errors.ts'
import { isActive } from '../domain/job.ts'
import type { Attempt, ClientAddress } from '../domain/job.ts'
import type { LostEvent, PayloadEvent, SnapshotEvent } from '../domain/protocol.ts'
import { payloadEnded } from '../domain/payload.ts'
import type { Log } from '../log.ts'
import type { ActiveJob, JobStore } from '../store/jobs.ts'
import type { ClientListener } from './client-listener.ts'
import type { ClientGateway } from './gateway.ts'
import type { Getter } from './getter.ts'
import { persist } from './persist.ts'
import type { Terminator } from './terminate.ts'

export type ReconcilerContext = {
  readonly store: JobStore
  readonly gateway: ClientGateway
  readonly getter: Getter
  readonly terminator: Terminator
  readonly log: Log
  /** Has a client tell again all that it has. */
  readonly resync: (address: ClientAddress) => void
}

/** Why a client has a payload no more that it took as another instance. */
const newInstance = "its client's machine was restarted, or its data is gone"

export class Reconciler implements Omit<ClientListener, 'onFree' | 'onSilent'> {
  readonly #context: ReconcilerContext
  readonly #instances = new Map<string, string>()
  readonly #tasks = new Set<Promise<void>>()
  readonly #stopping = new AbortController()

  constructor(context: ReconcilerContext) {
    this.#context = context
  }

  onSnapshot(address: ClientAddress, snapshot: SnapshotEvent, expected: ReadonlySet<string>): void {
    this.#instances.set(address.uploadUrl, snapshot.instance)
    for (const event of snapshot.payloads) this.onPayload(address, event)
    const present = new Set(snapshot.payloads.map(({ key }) => key))
    const reasons = new Map(snapshot.lost?.map(({ key, message }) => [key, message]))
    for (const key of expected) {
      if (present.has(key)) continue
      this.#onLost(address, key, ({ instance }) => {
        const isAnother = instance !== null && instance !== snapshot.instance
        return reasons.get(key) ?? (isAnother ? newInstance : 'the client has it no more')
      })
    }
    this.#do(address, 'terminate what is marked', () => this.#terminateMarked(address))
  }

  onPayload(address: ClientAddress, event: PayloadEvent): void {
    this.#do(address, `act on payload ${event.id}`, async () => {
      const active = await this.#context.store.findByKey(event.key)
      if (!active || !isActive(active.job.status) || !isCurrent(active)) {
        return this.#dropStale(address, event, active)
      }
      await this.#learn(address, active, event)
    })
  }

  onLost(address: ClientAddress, { key, message }: LostEvent): void {
    this.#onLost(address, key, () => message)
  }

  #onLost(address: ClientAddress, key: string, why: (attempt: Attempt) => string): void {
    this.#do(address, 'record a loss', async () => {
      const active = await this.#context.store.findByKey(key)
      if (!active) return
      const { job, attempt } = active
      const reason = why(attempt)
      crashPoint('loss: heard')
      const learn = (is: 'lost' | 'unanswered') =>
        this.#context.store.learn(job.id, { is, attempt: attempt.number, reason }, Date.now())
      // It may be known before the answer to /submit, which is to be believed no more then. Both are
      // one act: that answer may be heard at any moment.
      await Promise.all([learn('lost'), learn('unanswered')])
      crashPoint('loss: committed')
    })
  }

  /** Breaks off what is under way; the next snapshot, of the next process, brings it again. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.all(this.#tasks)
  }

  async #learn(address: ClientAddress, active: ActiveJob, event: PayloadEvent): Promise<void> {
    const { store, getter } = this.#context
    const { job, attempt } = active
    const { status, message, result, zip, id: payloadId } = event
    if (payloadEnded(status)) {
      const content = zip === undefined ? undefined : Buffer.from(zip, 'base64')
      if (result) getter.add(active, { status, message, result }, content)
      return
    }
    const instance = this.#instances.get(address.uploadUrl) ?? ''
    const is = status === 'Running' ? 'started' : 'accepted'
    crashPoint('running: heard')
    await store.learn(job.id, { is, attempt: attempt.number, payloadId, instance }, Date.now())
    crashPoint('running: committed')
  }

  /** What is not the current attempt of a job counts nothing, and is not to go on. */
  async #dropStale(
    address: ClientAddress,
    { key, status }: PayloadEvent,
    active: ActiveJob | undefined,
  ): Promise<void> {
    const { gateway, log } = this.#context
    const isOver = active && isCurrent(active) && !isActive(active.job.status)
    if (isOver && payloadEnded(status)) return gateway.forget(address, [key], this.#stopping.signal)
    log.warn({ job: active?.job.id, key }, 'a client holds what is no current attempt: cancelling')
    await gateway.cancel(address, key, this.#stopping.signal)
  }

  async #terminateMarked(address: ClientAddress): Promise<void> {
    const { store, terminator } = this.#context
    const marked = (await store.active(address.uploadUrl)).filter(
      ({ job }) => job.terminateRequestedAtMs !== null,
    )
    await Promise.all(marked.map((active) => terminator.pursue(active)))
  }

  /** What fails for long is done again with the client's next snapshot, which is asked for then. */
  #do(address: ClientAddress, what: string, work: () => Promise<void>): void {
    const task = persist(work, this.#stopping.signal)
      .catch((error: unknown) => {
        if (this.#stopping.signal.aborted) return
        const unforeseen = error instanceof Fault ? {} : { err: error }
        this.#context.log.warn(unforeseen, `could not ${what}: ${messageOf(error)}`)
        this.#context.resync(address)
      })
      .finally(() => this.#tasks.delete(task))
    this.#tasks.add(task)
  }
}

function isCurrent({ job, attempt }: ActiveJob): boolean {
  return job.attempt === attempt.number
}
