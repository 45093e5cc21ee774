/**
 * Removes the files of jobs that are final for longer than MAX_AGE; their records stay. That a job
 * is `Cleaned` is committed before its files go: a removal that is cut short is finished at the
 * next start, where directories of cleaned jobs are leftovers like any other.
 */
import { crashPoint } from '../crash-points.ts'
import { ClockWatch } from '../domain/clock-watch.ts'
import type { Reading } from '../domain/clock-watch.ts'
import { isFullDatabase, messageOf } from '../domain/errors.ts'
import type { Job } from '../domain/job.ts'
import type { JobFiles } from '../files/job-files.ts'
import type { Reserve } from '../files/reserve.ts'
import type { Log } from '../log.ts'
import { Loop } from '../loop.ts'
import type { JobStore } from '../store/jobs.ts'

/** Jobs that are cleaned in one go, so in one commit; requests are served between two. */
const batchSize = 50

export type CleanerContext = {
  readonly store: JobStore
  readonly files: Pick<JobFiles, 'remove'>
  /** On the disk of the store. */
  readonly reserve: Pick<Reserve, 'keep' | 'giveUp'>
  readonly log: Log
  readonly maxAgeMs: number
  /** The newest time that an earlier process wrote; `null` if there was none. */
  readonly lastSeenMs: number | null
  readonly readClocks?: () => Reading
}

/** Wakes when the oldest final job becomes too old, and hourly to look at the clocks. */
export class Cleaner {
  readonly #context: CleanerContext
  readonly #readClocks: () => Reading
  readonly #watch: ClockWatch
  readonly #loop: Loop

  constructor(context: CleanerContext) {
    this.#context = context
    this.#readClocks =
      context.readClocks ?? (() => ({ wallMs: Date.now(), monotonicMs: performance.now() }))
    this.#watch = new ClockWatch(context.maxAgeMs, this.#readClocks(), context.lastSeenMs)
    this.#loop = new Loop('cleaner', (signal) => this.clean(signal), context.log)
  }

  start(): void {
    this.#loop.start()
  }

  /** The directory that is being removed is removed; the others are left to the next process. */
  async stop(): Promise<void> {
    await this.#loop.stop()
  }

  /**
   * Cleans what is too old, if the clock can be trusted.
   *
   * @returns after how many milliseconds to look again.
   */
  async clean(signal: AbortSignal): Promise<number> {
    const { store, reserve, log, maxAgeMs } = this.#context
    while (!signal.aborted) {
      const now = this.#readClocks()
      const { restMs, warning } = this.#watch.look(now)
      if (warning !== undefined) log.warn(warning)
      if (restMs > 0) return restMs
      const ids = await store.finalBefore(now.wallMs - maxAgeMs, batchSize)
      const cleaned = await this.#cleanBatch(ids, now.wallMs, signal)
      if (cleaned < batchSize) break
    }
    await reserve.keep()
    const oldestMs = await store.oldestFinalAtMs()
    const dueMs =
      oldestMs === undefined ? undefined : oldestMs + maxAgeMs - this.#readClocks().wallMs
    return this.#watch.pauseMs(dueMs)
  }

  /** @returns how many jobs have become `Cleaned`. */
  async #cleanBatch(ids: readonly number[], nowMs: number, signal: AbortSignal): Promise<number> {
    const jobs = await this.#note(ids, nowMs)
    if (jobs.length > 0) crashPoint('clean: committed')
    for (const job of jobs) if (!signal.aborted) await this.#removeFiles(job)
    return jobs.length
  }

  /** Commits that these are `Cleaned`; on a full disk, which is to be freed so, with the reserve. */
  async #note(ids: readonly number[], nowMs: number): Promise<Job[]> {
    const { store, reserve, log, maxAgeMs } = this.#context
    const fact = { is: 'aged', maxAgeMs } as const
    const learnAll = () => Promise.all(ids.map((id) => store.learn(id, fact, nowMs)))
    const learnt = await learnAll().catch(async (error: unknown) => {
      if (!isFullDatabase(error) || !(await reserve.giveUp())) throw error
      log.warn('the disk of the database is full: its reserve is given up, to clean')
      return learnAll()
    })
    return learnt.filter((job) => job !== undefined)
  }

  /** One that cannot be removed stops no other; it is tried again at the next start. */
  async #removeFiles({ id }: Job): Promise<void> {
    const { files, log } = this.#context
    try {
      await files.remove(id)
      crashPoint('clean: removed')
    } catch (error) {
      log.warn({ job: id }, `the files of job ${id} cannot be removed: ${messageOf(error)}`)
    }
  }
}
