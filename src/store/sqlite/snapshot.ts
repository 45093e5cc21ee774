/** Another program's database, as it is at one moment, without a trace left beside it. */
import { copyFileSync, mkdtempSync, realpathSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Fault } from '../../domain/errors.ts'

/** The database itself last: so a journal is never newer than what it belongs to. */
const parts = ['-journal', '-wal', ''] as const

/** A database that is written to while it is copied is copied again, so often. */
const mostTries = 20

/**
 * Opens a private copy of a database.
 *
 * What a process left in its journal when it was killed counts, but reading it where it lies would
 * change the files, and a lock held on them would hold up whoever uses them. The copy has no name
 * any more when this returns: nothing is left of it however the process ends.
 *
 * @throws whatever is in the way of copying or reading it.
 */
export function openSnapshot(path: string): DatabaseSync {
  const directory = mkdtempSync(join(tmpdir(), 'job-orchestrator-'))
  let database: DatabaseSync | undefined
  try {
    const copy = join(directory, 'db.sqlite')
    // The journal is beside the file itself, not beside a link to it.
    copyAtRest(realpathSync(path), copy)
    database = new DatabaseSync(copy)
    // With it, the index of the journal is in memory, and all files are opened by the first look.
    database.exec('pragma locking_mode = exclusive; pragma temp_store = memory')
    database.prepare('select count(*) from sqlite_schema').get()
    return database
  } catch (error) {
    database?.close()
    throw error
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Copies all parts of a database; a copy during which any of them changed does not count. */
function copyAtRest(path: string, copy: string): void {
  for (let tries = 0; tries < mostTries; tries++) {
    const before = stateOf(path)
    for (const part of parts) {
      rmSync(copy + part, { force: true })
      try {
        copyFileSync(path + part, copy + part)
      } catch (error) {
        if (part === '' || statSync(path + part, { throwIfNoEntry: false })) throw error
      }
    }
    if (stateOf(path) === before) return
  }
  throw new Fault('busy', `${path} is being written to all the time`)
}

function stateOf(path: string): string {
  const states = parts.map((part) => {
    const stats = statSync(path + part, { bigint: true, throwIfNoEntry: false })
    return stats ? `${stats.ino} ${stats.size} ${stats.mtimeNs}` : ''
  })
  return states.join(', ')
}
