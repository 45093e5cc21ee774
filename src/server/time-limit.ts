/** Ends jobs that run for longer than their service lets them. */
import { setTimeout as delay } from 'node:timers/promises'
import { Fault, messageOf } from '../domain/errors.ts'
import { isOlderLife } from '../domain/older-life.ts'
import type { Log } from '../log.ts'
import type { ActiveJob, JobChange, JobStore } from '../store/jobs.ts'
import { backOffMs } from './back-off.ts'
import type { ClientGateway } from './gateway.ts'

export type TimeLimitContext = {
  readonly store: JobStore
  readonly gateway: Pick<ClientGateway, 'kill'>
  readonly log: Log
  /** Milliseconds by service; one that is not named has no limit. */
  readonly limits: ReadonlyMap<string, number>
}

export class TimeLimits {
  readonly #context: TimeLimitContext
  readonly #timers = new Map<number, NodeJS.Timeout>()
  /** Jobs that ran too long, and their limits. */
  readonly #passed = new Map<number, number>()
  readonly #ending = new Set<Promise<void>>()
  readonly #stopping = new AbortController()

  constructor(context: TimeLimitContext) {
    this.#context = context
    context.store.onChange((change) => this.#onChange(change))
  }

  /** The limit in milliseconds that a job has passed; `undefined` if it has not. */
  passed(id: number): number | undefined {
    return this.#passed.get(id)
  }

  /** Takes up the jobs that ran already when this process began. */
  takeUp(active: readonly ActiveJob[]): void {
    for (const { job, attempt } of active) {
      if (job.status !== 'Running') continue
      // How long it ran before is known by the wall clock alone; from here on it is measured.
      this.#watch(job, Date.now() - (attempt.startedAtMs ?? Date.now()))
    }
  }

  /** Ends no job any more; the next process does. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    for (const timer of this.#timers.values()) clearTimeout(timer)
    await Promise.all(this.#ending)
  }

  #onChange({ job }: JobChange): void {
    if (job.status === 'Running') return this.#watch(job, 0)
    clearTimeout(this.#timers.get(job.id))
    this.#timers.delete(job.id)
    this.#passed.delete(job.id)
  }

  #watch({ id, service }: { id: number; service: string }, ranMs: number): void {
    const limitMs = this.#context.limits.get(service)
    if (limitMs === undefined || this.#timers.has(id)) return
    const leftMs = Math.max(0, limitMs - Math.max(0, ranMs))
    this.#timers.set(
      id,
      setTimeout(() => this.#onPassed(id, limitMs), leftMs),
    )
  }

  #onPassed(id: number, limitMs: number): void {
    this.#passed.set(id, limitMs)
    const task = this.#end(id, limitMs).finally(() => this.#ending.delete(task))
    this.#ending.add(task)
  }

  async #end(id: number, timeLimitMs: number): Promise<void> {
    const { store, log } = this.#context
    const { signal } = this.#stopping
    for (let tries = 0; !signal.aborted; tries++) {
      try {
        const active = await store.current(id)
        const isOver = active?.job.status !== 'Running' || !this.#passed.has(id)
        // One at an older client is ended by whoever asks for it.
        if (isOver || isOlderLife(active.attempt.instance)) return
        return await this.#kill(active, timeLimitMs)
      } catch (error) {
        const unforeseen = error instanceof Fault ? {} : { err: error }
        const again = `job ${id} has passed its time limit, and could not be ended yet`
        if (tries === 0) log.warn({ job: id, ...unforeseen }, `${again}: ${messageOf(error)}`)
        await delay(backOffMs(tries), undefined, { signal }).catch(() => {})
      }
    }
  }

  async #kill({ job, attempt }: ActiveJob, timeLimitMs: number): Promise<void> {
    const { store, gateway } = this.#context
    const { signal } = this.#stopping
    const known = await gateway.kill(attempt.client, attempt.key, { timeLimitMs, signal })
    if (known) return // its end will come as an event
    const reason = 'its client has it no more'
    await store.learn(job.id, { is: 'lost', attempt: attempt.number, reason }, Date.now())
  }
}
