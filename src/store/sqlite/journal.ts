import { closeSync, fdatasync, fsyncSync, openSync, realpathSync } from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'

const flushElsewhere = promisify(fdatasync)

/**
 * The write-ahead log of a database, to be flushed by us, for SQLite would stand still meanwhile.
 * With `synchronous = normal` SQLite flushes it only before what is in it goes to the database
 * itself, and so never leaves a database that is damaged (https://www.sqlite.org/wal.html).
 */
export class Journal implements Disposable {
  readonly #descriptor: number

  /**
   * @param path of the database, which is open.
   * @throws an error of the system.
   */
  constructor(path: string) {
    // SQLite has it beside what a link leads to.
    const real = realpathSync(path)
    this.#descriptor = openSync(`${real}-wal`, 'r+')
    // Whatever is flushed to it later is of no use without its name.
    const directory = openSync(dirname(real), 'r')
    try {
      fsyncSync(directory)
    } finally {
      closeSync(directory)
    }
  }

  /** Makes all that was committed until now durable. */
  async flush(): Promise<void> {
    await flushElsewhere(this.#descriptor)
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor)
  }
}
