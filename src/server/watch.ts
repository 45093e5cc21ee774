/** Waiting for a job to end. */
import { isFinal } from '../domain/job.ts'
import type { Job } from '../domain/job.ts'
import type { JobStore } from '../store/jobs.ts'

export class JobWatch {
  readonly #store: JobStore
  readonly #waiting = new Map<number, Set<(job: Job) => void>>()

  constructor(store: JobStore) {
    this.#store = store
    store.onChange(({ job }) => {
      if (!isFinal(job.status)) return
      for (const resolve of this.#waiting.get(job.id) ?? []) resolve(job)
    })
  }

  /** The job when it is final; `undefined` if it is not within this time. */
  async final(id: number, withinMs: number): Promise<Job | undefined> {
    const { promise, resolve } = Promise.withResolvers<Job | undefined>()
    const waiting = this.#waiting.get(id) ?? new Set()
    this.#waiting.set(id, waiting.add(resolve))
    const timer = setTimeout(resolve, withinMs, undefined)
    try {
      // It may have ended before we began to wait.
      const job = await this.#store.find(id)
      return job && isFinal(job.status) ? job : await promise
    } finally {
      clearTimeout(timer)
      waiting.delete(resolve)
      if (waiting.size === 0) this.#waiting.delete(id)
    }
  }
}
