/** Waiting for a job to end. */
import { isFinal } from '../domain/job.ts'
import type { Job } from '../domain/job.ts'
import type { JobStore } from '../store/jobs.ts'

export class JobWatch {
  readonly #store: JobStore
  readonly #waiting = new Map<number, Set<(job: Job | undefined) => void>>()
  #isReleased = false

  constructor(store: JobStore) {
    this.#store = store
    store.onChange(({ job }) => {
      if (!isFinal(job.status)) return
      for (const resolve of this.#waiting.get(job.id) ?? []) resolve(job)
    })
  }

  /** Lets nobody wait any more: the program stops. */
  release(): void {
    this.#isReleased = true
    for (const resolves of this.#waiting.values())
      for (const resolve of resolves) resolve(undefined)
  }

  /** The job when it is final; `undefined` if it is not within this time, or if there is none. */
  async final(id: number, withinMs: number): Promise<Job | undefined> {
    const { promise, resolve } = Promise.withResolvers<Job | undefined>()
    const waiting = this.#waiting.get(id) ?? new Set()
    this.#waiting.set(id, waiting.add(resolve))
    const timer = setTimeout(resolve, withinMs, undefined)
    try {
      // It may have ended before we began to wait.
      const job = await this.#store.find(id)
      if (!job || this.#isReleased) return undefined
      return isFinal(job.status) ? job : await promise
    } finally {
      clearTimeout(timer)
      waiting.delete(resolve)
      if (waiting.size === 0) this.#waiting.delete(id)
    }
  }
}
