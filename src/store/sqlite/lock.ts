/** Exclusive use of a directory or a file, for as long as this process lives. */
import { DatabaseSync } from 'node:sqlite'
import { messageOf } from '../../domain/errors.ts'
import { StoreError } from './database.ts'

/**
 * Takes a lock, which the system gives back when this process ends, however it ends.
 *
 * Node has no file locks; SQLite has, so the lock is an open exclusive transaction on an empty
 * database file.
 *
 * @param path the lock's own file, made if it is not there.
 * @param advice what to do when another process has it.
 * @throws StoreError when another process has it, or the file cannot be made.
 */
export function takeLock(path: string, advice: string): Disposable {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path, { timeout: 0 })
    database.exec('pragma journal_mode = memory; begin exclusive')
    const held = database
    return { [Symbol.dispose]: () => held.close() }
  } catch (error) {
    database?.close()
    const message = messageOf(error)
    throw new StoreError(
      /locked|busy/i.test(message)
        ? `another job-orchestrator is using ${path}: ${advice}`
        : `cannot lock ${path}: ${message}`,
      { cause: error },
    )
  }
}
