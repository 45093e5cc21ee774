import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Lab } from './lab.ts'

/** What the lab's server has on disk: uploads under way, and jobs by their ids. */
export async function jobsOnDisk(lab: Lab): Promise<{ incoming: string[]; jobs: string[] }> {
  const root = join(lab.directory, 'server', 'jobs')
  const jobs = (await readdir(root)).filter((name) => /^\d+$/.test(name))
  return { incoming: await readdir(join(root, 'incoming')), jobs }
}
