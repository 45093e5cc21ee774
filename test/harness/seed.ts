import { join } from 'node:path'
import type { JobStore } from '../../src/store/jobs.ts'
import { openJobStore } from '../../src/store/sqlite/jobs.ts'
import type { Lab } from './lab.ts'

/** The store of the lab's server, to put jobs into it before that is started. */
export function openServerStore(lab: Lab): JobStore {
  return openJobStore(join(lab.directory, 'server.sqlite'), { maxAttempts: 5 })
}
