/**
 * Makes the end of an attempt count, whose result is stored. A script that failed may be run again:
 * what the attempts before the last one left is of no use then, and would fill the disk.
 */
import { crashPoint } from '../crash-points.ts'
import type { Fact } from '../domain/decide.ts'
import { messageOf } from '../domain/errors.ts'
import { isFinal } from '../domain/job.ts'
import type { JobFiles } from '../files/job-files.ts'
import type { Log } from '../log.ts'
import type { JobStore } from '../store/jobs.ts'

type RecordContext = {
  readonly store: Pick<JobStore, 'learn' | 'find'>
  readonly files: Pick<JobFiles, 'removeResult' | 'removeEarlierResults'>
  readonly log: Log
}

/** @param id of the job. */
export async function recordEnd(
  { store, files, log }: RecordContext,
  id: number,
  fact: Fact & { is: 'ended' },
): Promise<void> {
  const { attempt } = fact
  /** What cannot be removed is in nobody's way, and goes when the job is cleaned. */
  const tidy = async (removal: Promise<void>) => {
    try {
      await removal
    } catch (error) {
      log.warn({ job: id }, `an old result of job ${id} cannot be removed: ${messageOf(error)}`)
    }
  }
  // Before the commit, so that a crash leaves none of them behind a job that is final.
  await tidy(files.removeEarlierResults(id, attempt))
  crashPoint('retrieve: earlier removed')
  const job = (await store.learn(id, fact, Date.now())) ?? (await store.find(id))
  crashPoint('retrieve: committed')
  if (!job || job.attempt !== attempt || !isFinal(job.status)) {
    await tidy(files.removeResult(id, attempt))
  }
}
