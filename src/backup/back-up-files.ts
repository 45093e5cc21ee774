/**
 * Copies the files of all jobs that a copy of the database has. A job's files are there before its
 * row is, and never change, so what the copy names is there, unless its job was cleaned since.
 */
import type { JobFiles } from '../files/job-files.ts'
import { copyInputs, copyResult } from '../files/job-copy.ts'
import type { KeptJob, KeptJobs } from '../store/sqlite/kept-jobs.ts'
import type { BackupReport } from './backup-report.ts'
import { jobsAtOnce } from './jobs-at-once.ts'

export type Backup = {
  /** The copy. */
  readonly kept: KeptJobs
  /** What it is a copy of. */
  readonly live: KeptJobs
  readonly from: JobFiles
  readonly to: JobFiles
  readonly signal: AbortSignal
  readonly onProgress: () => void
}

/**
 * @param report filled as it goes.
 * @returns ids of the directories in the backup that are of no use with this copy.
 */
export async function backUpFiles(what: Backup, report: BackupReport): Promise<number[]> {
  const cleaned = new Set<number>()
  const { kept, live, to } = what
  await jobsAtOnce(kept.all(), what.signal, async (job) => {
    const trouble = await backUpJob(what, job, report)
    if (trouble !== undefined && live.statusOf(job.id) === 'Cleaned') cleaned.add(job.id)
    else if (trouble !== undefined) report.trouble(job.id, trouble)
    report.seen(job.id)
    what.onProgress()
  })
  const isNeeded = (id: number) =>
    !cleaned.has(id) && (kept.statusOf(id) ?? 'Cleaned') !== 'Cleaned'
  return (await to.ids()).filter((id) => !isNeeded(id))
}

/** @returns what cannot be had. */
async function backUpJob(
  { from, to }: Backup,
  job: KeptJob,
  report: BackupReport,
): Promise<string | undefined> {
  if (!(await copyInputs(from, to, job.id, report.copied))) {
    return 'its uploaded files are missing or cannot be read'
  }
  if (!job.result) return undefined
  const state = await copyResult(from, to, job, job.result, report.copied)
  if (state === 'whole') return undefined
  return state === 'missing'
    ? 'its result is missing or cannot be read'
    : 'its result is not what was recorded'
}
