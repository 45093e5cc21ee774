/**
 * Moves the files of jobs as a restore has planned it. Wherever this ends early, a further restore
 * finds what has been moved where it is now, and goes on.
 */
import { Aside } from '../files/aside.ts'
import type { JobFiles } from '../files/job-files.ts'
import { placeEntries } from '../files/place.ts'
import type { RestorePlan } from './restore-plan.ts'

/**
 * @param name under which things are set aside.
 * @param serverId of the database that the files are going to belong to.
 * @returns where things were set aside; `undefined` if there was nothing.
 */
export async function moveFiles(
  data: JobFiles,
  plan: RestorePlan,
  name: string,
  serverId: string,
): Promise<string | undefined> {
  const aside = new Aside(data, name)
  for (const id of plan.asideJobs) await aside.job(id)
  for (const { id, name: entry } of plan.asideEntries) await aside.entry(id, entry)
  await aside.sync()
  // From here on, what has the id of a job is the job's.
  await data.giveTo(serverId)
  await placeEntries(plan.staged, data, plan.placed)
  return plan.asideJobs.length + plan.asideEntries.length > 0 ? aside.directory : undefined
}
