/** The jobs in a database of job-orchestrator 2.2.3, which is only read. */
import { statSync } from 'node:fs'
import { basename } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { messageOf } from '../../domain/errors.ts'
import { StoreError, applicationId } from './database.ts'
import { openSnapshot } from './snapshot.ts'

/** A job as 2.2.3 remembers it; `null` where it has no proper value. */
export type OldJob = {
  readonly id: number
  readonly userId: string | null
  /** In lower case. */
  readonly service: string | null
  /** In lower case, as it is stored: `completed`. */
  readonly status: string
  /** The name of its directory in the data directory. */
  readonly directory: string | null
  /** Its id at the client that it was sent to. */
  readonly payloadId: number | null
  readonly createdAtMs: number | null
}

const columns = ['id', 'user_id', 'service', 'status', 'loc', 'dest_id', 'created_at']

/**
 * Reads the database as it is now; what changes later is not seen.
 *
 * @throws StoreError if there is none, or if it is something else.
 */
export class OldJobs implements Disposable {
  readonly #database: DatabaseSync
  readonly count: number
  /** The highest id that was ever given. */
  readonly highestId: number

  constructor(path: string) {
    this.#database = openOld(path)
    const number = (sql: string) => Number(this.#database.prepare(sql).get()?.['n'] ?? 0)
    this.count = number('select count(*) as n from jobs')
    const given = "select coalesce((select seq from sqlite_sequence where name = 'jobs'), 0) as n"
    const hasSequence = number(
      "select count(*) as n from sqlite_schema where name = 'sqlite_sequence'",
    )
    this.highestId = Math.max(
      number('select max(id) as n from jobs'),
      hasSequence > 0 ? number(given) : 0,
    )
  }

  /** All jobs, in the order of their ids. */
  *all(): Generator<OldJob> {
    const sql = `select id, cast(user_id as text) as user_id, service, status, loc, dest_id,
      cast(strftime('%s', created_at) as integer) as created_at from jobs order by id`
    for (const row of this.#database.prepare(sql).iterate()) yield toOldJob(row)
  }

  [Symbol.dispose](): void {
    this.#database.close()
  }
}

function openOld(path: string): DatabaseSync {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (!stats) throw new StoreError(`there is no file ${path}; --from is the database of 2.2.3`)
  if (!stats.isFile())
    throw new StoreError(`${path} is not a file; --from is the database of 2.2.3`)
  let database: DatabaseSync | undefined
  try {
    database = openSnapshot(path)
    refuseOther(database, path)
    return database
  } catch (error) {
    database?.close()
    if (error instanceof StoreError) throw error
    throw new StoreError(`cannot read ${path}: ${messageOf(error)}`, { cause: error })
  }
}

function refuseOther(database: DatabaseSync, path: string): void {
  if (database.prepare('pragma application_id').get()?.['application_id'] === applicationId) {
    throw new StoreError(
      `${path} is a database of this version already; --from is the database of 2.2.3`,
    )
  }
  const there = database.prepare("select name from pragma_table_info('jobs')").all()
  const names = new Set(there.map((row) => row['name']))
  const missing = columns.filter((column) => !names.has(column))
  if (missing.length > 0) {
    throw new StoreError(
      `${path} is not a database of job-orchestrator 2.2.3: it has no ` +
        (names.size === 0 ? 'table jobs' : `column ${missing.join(', ')} in its table jobs`),
    )
  }
  const verdict = database.prepare('pragma quick_check(1)').get()?.['quick_check']
  if (verdict !== 'ok') throw new StoreError(`${path} is damaged: ${String(verdict)}`)
}

function toOldJob(row: Readonly<Record<string, unknown>>): OldJob {
  const text = (column: string) => {
    const value = row[column]
    return typeof value === 'string' && value !== '' ? value : null
  }
  const positive = (column: string) => {
    const value = row[column]
    return typeof value === 'number' && value > 0 ? value : null
  }
  const createdAt = row['created_at']
  return {
    id: Number(row['id']),
    userId: text('user_id'),
    service: text('service')?.toLowerCase() ?? null,
    status: text('status')?.toLowerCase() ?? 'unknown',
    directory: directoryName(text('loc')),
    payloadId: positive('dest_id'),
    createdAtMs: typeof createdAt === 'number' ? createdAt * 1000 : null,
  }
}

/** Where the data directory was when the job came does not matter. */
function directoryName(location: string | null): string | null {
  const name = location === null ? '' : basename(location)
  return name === '' || name === '.' || name === '..' ? null : name
}
