/**
 * What is to happen when a disk lets a database down. After a failed flush nobody knows what of it
 * is on the disk: Linux may have dropped the pages, and a second flush would succeed all the same.
 * So nothing is read from it or written to it any more, nobody is answered, and the process ends:
 * the next one reads from the disk what is really there.
 */
import { isFullDatabase, messageOf, sqliteCode } from '../../domain/errors.ts'

/** A database that cannot be relied on any more. */
export class BrokenDatabase extends Error {
  override readonly name = 'BrokenDatabase'
}

/** Ends the process before anybody hears of what was being done; told once. */
export type OnBroken = (error: BrokenDatabase) => void

/** Primary result codes (https://www.sqlite.org/rescode.html) that tell of the file or its disk. */
const broken = new Set([
  8, // SQLITE_READONLY
  10, // SQLITE_IOERR
  11, // SQLITE_CORRUPT
  14, // SQLITE_CANTOPEN
  26, // SQLITE_NOTADB
])

/** Whether a statement failed because the file, or the disk that it is on, is not as it should be. */
function tellsOfDamage(error: unknown): boolean {
  const code = sqliteCode(error)
  // On a full disk everything goes on when there is room again.
  return code !== undefined && broken.has(code & 0xff) && !isFullDatabase(error)
}

export class DatabaseGuard {
  readonly #path: string
  readonly #onBroken: OnBroken
  #broken: BrokenDatabase | undefined

  constructor(path: string, onBroken: OnBroken) {
    this.#path = path
    this.#onBroken = onBroken
  }

  /**
   * Does something with the database.
   *
   * @throws BrokenDatabase from the first time on that it cannot be relied on.
   */
  run<T>(work: () => T): T {
    if (this.#broken) throw this.#broken
    try {
      return work()
    } catch (error) {
      if (this.#broken || !tellsOfDamage(error)) throw error
      return this.#give(error, `${messageOf(error)} (SQLite ${sqliteCode(error)})`)
    }
  }

  /**
   * Flushes it.
   *
   * @throws BrokenDatabase if that fails, for whatever reason.
   */
  async flush(work: () => Promise<void>): Promise<void> {
    if (this.#broken) throw this.#broken
    try {
      await work()
    } catch (error) {
      this.#give(error, `its journal cannot be flushed: ${messageOf(error)}`)
    }
  }

  #give(error: unknown, why: string): never {
    if (this.#broken) throw this.#broken
    const what = `the database ${this.#path} cannot be relied on any more: ${why}`
    this.#broken = new BrokenDatabase(what, { cause: error })
    this.#onBroken(this.#broken)
    throw this.#broken
  }
}
