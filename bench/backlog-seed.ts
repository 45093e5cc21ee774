/** Puts a backlog into a server's store while no server is there, faster than uploads could. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { JobFiles } from '../src/files/job-files.ts'
import { openDatabase } from '../src/store/sqlite/database.ts'
import { trivial } from './bench.ts'
import type { Bed } from './subject.ts'

/** What waits. */
export type Backlog = {
  readonly jobs: number
  readonly users: number
  /** The first so many can run; the others have no files, and have to stay in the queue. */
  readonly runnable: number
}

/** The users take turns in it, so with no more runnable jobs than users it is those that run. */
export async function seedBacklog(bed: Bed, { jobs, users, runnable }: Backlog): Promise<void> {
  if (runnable > users) throw new Error('second jobs would come behind those without files')
  const files = new JobFiles(join(bed.directory, 'server'))
  await files.prepare()
  await files.giveTo(insertJobs(bed, jobs, users))
  for (let id = 1; id <= runnable; id++) {
    const directory = files.inputDirectory(id)
    await mkdir(directory, { recursive: true })
    await writeFile(join(directory, 'run.sh'), trivial.script)
  }
}

/**
 * Everything that an upload writes, and by the triggers what follows from it.
 *
 * @returns the id of the server.
 */
function insertJobs(bed: Bed, jobs: number, users: number): string {
  using database = openDatabase(join(bed.directory, 'server.sqlite'))
  database.exec('pragma synchronous = off; pragma cache_size = -262144; begin')
  database
    .prepare(
      `with recursive numbers (n) as (
         select 0 union all select n + 1 from numbers where n + 1 < :jobs
       )
       insert into jobs (user_id, service, status, is_flat, created_at_ms, changed_at_ms)
       select 'user-' || (n % cast(:users as integer)), 'example', 'Queued', 1, :nowMs, :nowMs from numbers`,
    )
    .run({ jobs, users, nowMs: Date.now() })
  database.exec(
    `insert into history (job_id, at_ms, to_status, attempt, reason)
       select id, created_at_ms, 'Queued', 0, 'uploaded' from jobs order by id;
     commit;
     pragma wal_checkpoint(truncate)`,
  )
  return String(database.prepare('select server_id from server').get()?.['server_id'])
}
