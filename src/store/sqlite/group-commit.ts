import type { DatabaseSync } from 'node:sqlite'
import { BrokenDatabase } from './guard.ts'
import type { DatabaseGuard } from './guard.ts'

type Write = {
  readonly run: () => unknown
  readonly resolve: (value: never) => void
  readonly reject: (reason: unknown) => void
}

/**
 * Writes that arrive together commit together: a durable commit costs a disk flush, whatever is in
 * it. Each write has a savepoint of its own, so one that throws undoes itself alone.
 *
 * A write's body is synchronous: an `await` between begin and commit would let another request
 * write inside it.
 */
export class GroupCommit {
  readonly #database: DatabaseSync
  readonly #guard: DatabaseGuard
  /** Called after each commit, before those who await a write go on. */
  readonly #committed: () => void
  /** Called when all that was waiting was rolled back. */
  readonly #undone: () => void
  #writes: Write[] = []

  constructor(
    database: DatabaseSync,
    guard: DatabaseGuard,
    committed: () => void,
    undone: () => void,
  ) {
    this.#database = database
    this.#guard = guard
    this.#committed = committed
    this.#undone = undone
  }

  /** Runs `run` inside a transaction; resolves with its value when that is durable. */
  write<T>(run: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    this.#writes.push({ run, resolve, reject })
    if (this.#writes.length === 1) setImmediate(() => this.flush())
    return promise
  }

  /**
   * Commits what is waiting, now.
   *
   * When the database cannot be relied on any more, nobody who waits is told anything: whether it
   * was committed shows when it is opened again.
   */
  flush(): void {
    const writes = this.#writes
    this.#writes = []
    if (writes.length === 0) return
    const database = this.#database
    const settle: (() => void)[] = []
    try {
      this.#guard.run(() => {
        database.exec('begin immediate')
        for (const write of writes) settle.push(this.#runOne(write))
        database.exec('commit')
      })
    } catch (error) {
      if (error instanceof BrokenDatabase) return
      if (database.isTransaction) database.exec('rollback')
      this.#undone()
      for (const write of writes) write.reject(error)
      return
    }
    for (const done of settle) done()
    this.#committed()
  }

  #runOne({ run, resolve, reject }: Write): () => void {
    const database = this.#database
    database.exec('savepoint one')
    try {
      const value = this.#guard.run(run)
      database.exec('release one')
      return () => resolve(value as never)
    } catch (error) {
      if (error instanceof BrokenDatabase) throw error
      // A full disk or an I/O error may have ended the whole transaction already.
      if (!database.isTransaction) throw error
      database.exec('rollback to one; release one')
      return () => reject(error)
    }
  }
}
