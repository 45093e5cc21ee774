import { reaches } from '../domain/access.ts'
import type { Access } from '../domain/access.ts'
import { Fault } from '../domain/errors.ts'
import type { Job } from '../domain/job.ts'
import type { JobStore } from '../store/jobs.ts'

/** @throws Fault `not_found` */
export async function findJob(store: JobStore, id: number): Promise<Job> {
  const job = await store.find(id)
  if (!job) throw noSuchJob(id)
  return job
}

/**
 * Makes sure that there is a job, for who asks: one out of reach is told of as one that is not there.
 * What it goes by never changes, so it holds for all that is done with the job after it.
 *
 * @throws Fault `not_found`
 */
export async function demandReach(
  store: Pick<JobStore, 'find'>,
  access: Access,
  id: number,
): Promise<void> {
  if (access.userId === null && access.service === null) return
  const job = await store.find(id)
  if (!job || !reaches(access, job)) throw noSuchJob(id)
}

function noSuchJob(id: number): Fault {
  return new Fault('not_found', `there is no job ${id}`)
}
