/** Opens the server's database file, or says in one line why it cannot be used. */
import { accessSync, closeSync, constants, existsSync, openSync, readSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { messageOf } from '../../domain/errors.ts'
import { migrations } from './migrations/index.ts'
import { openSnapshot } from './snapshot.ts'

/** `job3` in ASCII, in the header of every database of ours (SQLite file format, offset 68). */
export const applicationId = 0x6a6f6233

/** A backup that ends while nobody else has the database open locks it for a moment. */
const openWithinMs = 5_000

/** Why a store cannot be opened, for the operator, in one line. */
export class StoreError extends Error {
  override readonly name = 'StoreError'
}

/** It may have been ours, and cannot be read any more. */
export class DamagedError extends StoreError {}

/**
 * Looks whether a database can be used, and changes nothing: to be called before anything is made,
 * the lock beside it included.
 *
 * @throws StoreError if it is not ours; an error of the system if it cannot be read or written.
 */
export function inspectDatabase(path: string): void {
  if (path === ':memory:') return
  const there = existsSync(path)
  if (there && statSync(path).isDirectory()) {
    throw new StoreError(`${path} is a directory; give another --db-path`)
  }
  // With a dot behind it, a directory has to be one.
  accessSync(there ? path : `${dirname(path)}/.`, constants.R_OK | constants.W_OK)
  refuseForeign(path)
}

/**
 * Opens or creates a database and brings it to the newest version.
 *
 * @param path a file, or `:memory:`.
 * @throws StoreError if it is not ours, newer than we are, damaged, or cannot be written. A file
 *   that is not ours is left untouched.
 */
export function openDatabase(path: string): DatabaseSync {
  refuseForeign(path)
  let database: DatabaseSync | undefined
  try {
    createPrivately(path)
    database = new DatabaseSync(path, { timeout: openWithinMs })
    database.exec('pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on;')
    checkIntegrity(database, path)
    migrate(database, path)
    database.exec('pragma busy_timeout = 0')
    return database
  } catch (error) {
    database?.close()
    if (error instanceof StoreError) throw error
    throw new StoreError(`cannot use the database ${path}: ${messageOf(error)}`, { cause: error })
  }
}

/**
 * Makes an empty database that its user alone can read, if there is none: it has what others on the
 * machine could use, such as the keys of attempts. SQLite makes what stands beside it likewise.
 *
 * @throws an error of the system.
 */
export function createPrivately(path: string): void {
  if (path !== ':memory:' && !existsSync(path)) closeSync(openSync(path, 'a', 0o600))
}

/**
 * Whether a database is of the version of this program.
 *
 * @throws StoreError if it is newer.
 */
export function isNewest(path: string): boolean {
  using database = new DatabaseSync(path, { timeout: openWithinMs })
  return versionOf(database, path) === migrations.length
}

/** Looks at the file's header alone, so that what is not ours stays as it is. */
function refuseForeign(path: string): void {
  if (path === ':memory:' || !existsSync(path)) return
  const header = readHeader(path)
  if (header.length === 0) return
  if (header.toString('latin1', 0, 16) !== 'SQLite format 3\0') {
    throw new DamagedError(`${path} is not a database, or it is damaged; give another --db-path`)
  }
  if (header.length >= 72 && header.readUInt32BE(68) === applicationId) return
  const { id, tables } = peek(path)
  // A database that was made but not migrated yet has no id; nor has any table.
  if (id === applicationId || tables.length === 0) return
  throw new StoreError(
    tables.includes('jobs')
      ? `${path} is a database of job-orchestrator 2.2.3; it was left untouched: ` +
          'give another --db-path, and bring the old jobs over to that one before the start, with ' +
          `job-orchestrator import --from ${path} --data ITS-DATA-PATH --db-path ANOTHER`
      : `${path} is the database of another program; give another --db-path`,
  )
}

function readHeader(path: string): Buffer {
  const header = Buffer.alloc(100)
  try {
    const file = openSync(path, 'r')
    try {
      return header.subarray(0, readSync(file, header, 0, header.length, 0))
    } finally {
      closeSync(file)
    }
  } catch (error) {
    throw new StoreError(`cannot read the database ${path}: ${messageOf(error)}`, { cause: error })
  }
}

type Peek = { readonly id: number; readonly tables: unknown[] }

function peek(path: string): Peek {
  try {
    if (existsSync(`${path}-wal`)) {
      // What a process that was killed left in its journal counts.
      using copy = openSnapshot(path)
      return contentsOf(copy)
    }
    const url = pathToFileURL(resolve(path))
    url.search = '?immutable=1' // neither a lock nor a journal is made beside it
    using database = new DatabaseSync(url, { readOnly: true })
    return contentsOf(database)
  } catch (error) {
    throw new DamagedError(`${path} is damaged: ${messageOf(error)}`, { cause: error })
  }
}

function contentsOf(database: DatabaseSync): Peek {
  const rows = database.prepare("select name from sqlite_schema where type = 'table'").all()
  const id = Number(database.prepare('pragma application_id').get()?.['application_id'])
  return { id, tables: rows.map((row) => row['name']) }
}

function checkIntegrity(database: DatabaseSync, path: string): void {
  const [row] = database.prepare('pragma quick_check(1)').all()
  const verdict = String(row?.['quick_check']).replaceAll(/\s+/g, ' ')
  if (verdict !== 'ok') {
    throw new StoreError(`${path} is damaged (${verdict}); restore a backup of it`)
  }
}

/** @throws StoreError if it is newer than we are. */
function versionOf(database: DatabaseSync, path: string): number {
  const version = Number(database.prepare('pragma user_version').get()?.['user_version'])
  if (version > migrations.length) {
    throw new StoreError(
      `${path} was made by a newer job-orchestrator (version ${version} of the database, this ` +
        `program knows ${migrations.length}); upgrade this program`,
    )
  }
  return version
}

function migrate(database: DatabaseSync, path: string): void {
  const version = versionOf(database, path)
  for (const [index, migration] of migrations.entries()) {
    if (index < version) continue
    database.exec('begin immediate')
    try {
      database.exec(migration)
      database.exec(
        `pragma application_id = ${applicationId}; pragma user_version = ${index + 1}; commit`,
      )
    } catch (error) {
      if (database.isTransaction) database.exec('rollback')
      throw error
    }
  }
}
