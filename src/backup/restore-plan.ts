import type { KeptJob } from '../store/sqlite/kept-jobs.ts'
import type { JobFiles } from '../files/job-files.ts'

/** A job that cannot be what it was. */
export type LostJob = Pick<KeptJob, 'id' | 'status' | 'isFinal'> & { readonly reason: string }

/** Something in the directory of a job, such as `input`. */
type JobEntry = { readonly id: number; readonly name: string }

/** What a restore is going to move, when all of it is known and all copies are made. */
export type RestorePlan = {
  /** Directories that are no job's, or another one's. */
  readonly asideJobs: number[]
  /** What is in directories of jobs and is not the job's. */
  readonly asideEntries: JobEntry[]
  /** What comes from the backup; it is in `staged`. */
  readonly placed: JobEntry[]
  readonly staged: JobFiles
  readonly lost: LostJob[]
  /** Jobs whose files are all where they were. */
  inPlace: number
  /** Jobs some of whose files come from the backup. */
  broughtBack: number
}
