import { join } from 'node:path'
import { JobFiles } from '../../src/files/job-files.ts'
import type { JobStore } from '../../src/store/jobs.ts'
import { openJobStore } from '../../src/store/sqlite/jobs.ts'
import type { Lab } from './lab.ts'

/**
 * The store of the lab's server, with its directory, to put jobs into it while that is not there.
 *
 * @param lab or whatever else has its server in `server.sqlite` and `server/`.
 */
export async function openServerStore(lab: Pick<Lab, 'directory'>): Promise<JobStore> {
  const store = openJobStore(join(lab.directory, 'server.sqlite'), { maxAttempts: 5 })
  const files = new JobFiles(join(lab.directory, 'server'))
  await files.prepare()
  await files.belongTo(store.serverId)
  return store
}
