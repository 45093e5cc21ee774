import { Fault } from '../domain/errors.ts'
import type { Job } from '../domain/job.ts'
import type { JobStore } from '../store/jobs.ts'

/** @throws Fault `not_found` */
export async function findJob(store: JobStore, id: number): Promise<Job> {
  const job = await store.find(id)
  if (!job) throw new Fault('not_found', `there is no job ${id}`)
  return job
}
