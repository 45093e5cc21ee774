/** Copies of a whole database, made while it is used. */
import { copyFileSync, existsSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { DatabaseSync, backup } from 'node:sqlite'
import { messageOf } from '../../domain/errors.ts'
import { StoreError, applicationId } from './database.ts'
import { migrations } from './migrations/index.ts'

/** So many pages are copied at once: all of them, in the one step that Node.js lets have a number. */
const allPages = 2 ** 31 - 1

/** What may lie beside a database. */
const companions = ['-journal', '-wal', '-shm'] as const

/**
 * Copies a database as it is at one moment, and makes the copy durable, but for its name.
 *
 * In one step: a copy that is made in several begins again whenever somebody writes in between, and
 * on a busy server it never ends. Neither does a step that takes long hold up whoever writes.
 *
 * @param to is replaced, if it is there.
 * @throws StoreError if the copy is not whole.
 */
export async function copyDatabase(from: DatabaseSync, to: string): Promise<void> {
  removeDatabase(to)
  await backup(from, to, { rate: allPages })
  checkCopy(to)
  removeCompanions(to)
  await flushFile(to)
}

/**
 * Copies a database that nobody uses, together with what is still in its journal.
 *
 * @throws StoreError if it is not a whole database of ours, or newer than we are.
 */
export function copyAtRest(from: string, to: string): void {
  removeDatabase(to)
  for (const part of ['', '-journal', '-wal']) {
    if (existsSync(from + part)) copyFileSync(from + part, to + part)
  }
  checkCopy(to, from)
}

/** Removes a database with all that belongs to it. */
export function removeDatabase(path: string): void {
  removeCompanions(path)
  rmSync(path, { force: true })
}

function removeCompanions(path: string): void {
  for (const part of companions) rmSync(path + part, { force: true })
}

/** @param name of what it is a copy of. */
function checkCopy(path: string, name = path): void {
  let verdict: string
  let version: number
  try {
    using database = new DatabaseSync(path)
    const first = (sql: string) => Object.values(database.prepare(sql).get() ?? {})[0]
    if (first('pragma application_id') !== applicationId) {
      throw new StoreError(`${name} is no database of job-orchestrator`)
    }
    version = Number(first('pragma user_version'))
    verdict = String(first('pragma quick_check(1)')).replaceAll(/\s+/g, ' ')
  } catch (error) {
    if (error instanceof StoreError) throw error
    throw new StoreError(`${name} is damaged: ${messageOf(error)}`, { cause: error })
  }
  if (verdict !== 'ok') throw new StoreError(`${name} is damaged (${verdict})`)
  if (version > migrations.length) {
    throw new StoreError(
      `${name} was made by a newer job-orchestrator (version ${version} of the database, this ` +
        `program knows ${migrations.length}); upgrade this program`,
    )
  }
}

async function flushFile(path: string): Promise<void> {
  await using handle = await open(path, 'r')
  await handle.sync()
}
