/** The jobs of a database whose files are kept, of this version or an older one. */
import { DatabaseSync } from 'node:sqlite'
import type { StatementSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { resolve } from 'node:path'
import { isFinal } from '../../domain/job.ts'
import type { JobStatus, Result } from '../../domain/job.ts'
import { highestIdOf } from './id-sequence.ts'
import { integer, jobStatus, result, text } from './rows.ts'

/** What says which files a job has. */
export type KeptJob = {
  readonly id: number
  readonly status: JobStatus
  readonly isFinal: boolean
  readonly attempt: number
  readonly result: Result | null
}

const statements = {
  server: 'select server_id from server',
  count: "select count(*) as n from jobs where status <> 'Cleaned'",
  // By pieces: an open look at the rows would keep the server's journal from being shortened.
  page: `select id, status, attempt, result_size_bytes, result_sha256 from jobs
    where status <> 'Cleaned' and id > ? order by id limit 1000`,
  status: 'select status from jobs where id = ?',
  lastChange: 'select at_ms from history order by id desc limit 1',
} as const

type Statements = Readonly<Record<keyof typeof statements, StatementSync>>

export class KeptJobs implements Disposable {
  readonly database: DatabaseSync
  readonly serverId: string
  readonly #sql: Statements

  /** @param database ours. */
  constructor(database: DatabaseSync) {
    this.database = database
    const prepared = Object.entries(statements).map(([name, sql]) => [name, database.prepare(sql)])
    this.#sql = Object.fromEntries(prepared) as Statements
    this.serverId = text(this.#sql.server.get() ?? {}, 'server_id')
  }

  /** Opens a database that is there, beside a server that uses it. */
  static open(path: string): KeptJobs {
    const url = pathToFileURL(resolve(path))
    url.search = '?mode=rw' // never makes one
    const database = new DatabaseSync(url, { timeout: 10_000 })
    try {
      database.exec('pragma query_only = on')
      return new KeptJobs(database)
    } catch (error) {
      database.close()
      throw error
    }
  }

  get count(): number {
    return integer(this.#sql.count.get() ?? {}, 'n')
  }

  get highestId(): number {
    return highestIdOf(this.database)
  }

  /** When the last change in it was made; `null` without any. */
  get lastChangeAtMs(): number | null {
    const row = this.#sql.lastChange.get()
    return row ? integer(row, 'at_ms') : null
  }

  /** In the order of their ids. */
  *all(): Generator<KeptJob> {
    for (let after = 0; ;) {
      const rows = this.#sql.page.all(after)
      for (const row of rows) {
        const status = jobStatus(row, 'status')
        after = integer(row, 'id')
        const attempt = integer(row, 'attempt')
        yield { id: after, status, isFinal: isFinal(status), attempt, result: result(row) }
      }
      if (rows.length === 0) return
    }
  }

  /** `undefined` if there is no such job. */
  statusOf(id: number): JobStatus | undefined {
    const row = this.#sql.status.get(id)
    return row && jobStatus(row, 'status')
  }

  [Symbol.dispose](): void {
    this.database.close()
  }
}
