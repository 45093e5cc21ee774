/**
 * Brings the jobs of a 2.2.3 installation over, in the order of their ids and in batches: first the
 * files of a batch are made durable, then its rows are committed in one transaction. So what is
 * committed is whole, wherever the import is cut short, and the next one goes on behind it.
 */
import { Fault } from '../domain/errors.ts'
import { isUserId } from '../domain/names.ts'
import { syncJobs } from '../files/import-files.ts'
import type { ImportedJob, JobImport } from '../store/sqlite/import.ts'
import type { OldJob, OldJobs } from '../store/sqlite/old-jobs.ts'
import { bringOver } from './bring-over.ts'
import type { Brought, Places, WholeOldJob } from './bring-over.ts'
import { isUnderWay } from './fate.ts'
import type { Report } from './report.ts'

const batchJobs = 256
/** So many jobs' files are copied at once: their flushes share the disk's work. */
const jobsAtOnce = 16

export type Import = Places & {
  readonly old: OldJobs
  /** Ours; `undefined` if it is not there and is not to be made. */
  readonly target: JobImport | undefined
  /** 2.2.3 runs: what it may still change has to wait. */
  readonly onlyEnded: boolean
  readonly signal: AbortSignal
  /** Called after every batch. */
  readonly onProgress: () => void
}

/**
 * @param report filled as it goes, so that it is right also where this throws.
 * @throws Fault `conflict` before anything is done, if jobs of others have the ids.
 */
export async function importJobs(what: Import, report: Report): Promise<void> {
  refuseCollisions(what)
  let batch: WholeOldJob[] = []
  for (const old of what.old.all()) {
    const whole = pick(what, old, report)
    if (!whole) continue
    batch.push(whole)
    if (batch.length < batchJobs) continue
    await importBatch(what, batch, report)
    batch = []
    if (what.signal.aborted) return
  }
  await importBatch(what, batch, report)
  if (what.files) what.target?.reserveUpTo(what.old.highestId)
}

const mostNamed = 5

function refuseCollisions({ old, target }: Import): void {
  if (!target || target.highestId === 0) return
  const taken: number[] = []
  for (const job of old.all()) {
    const holder = target.holder(job)
    if (holder && !holder.isSame) taken.push(job.id)
  }
  if (taken.length === 0) return
  const named = taken.slice(0, mostNamed).join(', ')
  throw new Fault(
    'conflict',
    `the database has other jobs under ids that are to be imported (${taken.length}: ` +
      `${named}${taken.length > mostNamed ? ', ...' : ''}): import into one that is new, ` +
      'with another --db-path and --data-path',
  )
}

/** The job, if it is to be brought over now. */
function pick({ target, onlyEnded }: Import, old: OldJob, report: Report): WholeOldJob | undefined {
  const { id, userId, service, status } = old
  const holder = target?.holder(old)
  if (holder) {
    report.there(old, holder.status)
    return undefined
  }
  if (!Number.isSafeInteger(id) || id < 1 || userId === null || !isUserId(userId) || !service) {
    report.skipped(old, 'it has no proper id, user or service')
    return undefined
  }
  if (onlyEnded && isUnderWay(status)) {
    report.waits(old)
    return undefined
  }
  return { ...old, userId, service }
}

async function importBatch(
  what: Import,
  batch: readonly WholeOldJob[],
  report: Report,
): Promise<void> {
  const nowMs = Date.now()
  const brought: Brought[] = []
  const queue = batch.values()
  const work = async () => {
    for (const old of queue) brought.push(await bringOver(what, old, nowMs))
  }
  const outcomes = await Promise.allSettled(Array.from({ length: jobsAtOnce }, work))
  const failed = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failed) throw failed.reason
  const jobs: ImportedJob[] = brought.map(({ job }) => job).toSorted((a, b) => a.id - b.id)
  if (what.files) {
    if (jobs.length > 0) await syncJobs(what.files)
    what.target?.commit(jobs, nowMs)
  }
  for (const one of brought.toSorted((a, b) => a.job.id - b.job.id)) report.brought(one)
  what.onProgress()
}
