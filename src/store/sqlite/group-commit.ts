import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import { isHeld } from '../../domain/errors.ts'
import { BrokenDatabase } from './guard.ts'
import type { DatabaseGuard } from './guard.ts'

/** So long a write waits for others that nobody is waiting for. */
const patienceMs = 5

/**
 * Another process writes for a moment when a token is made or revoked. So long it is waited for,
 * and asked again in between; SQLite's own waiting would hold up everything else.
 */
const heldWithinMs = 2_000
const askAgainMs = 5

type Write = {
  readonly run: () => unknown
  readonly isPatient: boolean
  readonly resolve: (value: never) => void
  readonly reject: (reason: unknown) => void
}

/** What a group commit calls. */
export type GroupCommitContext = {
  readonly database: DatabaseSync
  readonly guard: DatabaseGuard
  /** Makes what was committed durable; `undefined` for a database in memory. */
  readonly flush: (() => Promise<void>) | undefined
  /** Called when a group is durable, before those who await a write go on. */
  readonly committed: () => void
  /** Called when all that was waiting was rolled back. */
  readonly undone: () => void
}

/**
 * Writes that arrive together commit together: to make a commit durable costs a flush of the disk,
 * whatever is in it. While that is waited for, the next group gathers. Each write has a savepoint
 * of its own, so one that throws undoes itself alone.
 *
 * A write's body is synchronous: an `await` between begin and commit would let another request
 * write inside it.
 */
export class GroupCommit {
  readonly #context: GroupCommitContext
  readonly #changes: StatementSync
  #writes: Write[] = []
  #soon: NodeJS.Immediate | undefined
  #later: NodeJS.Timeout | undefined
  /** Resolves when what was committed last is durable. */
  #flushing: Promise<void> | undefined
  /** Resolves when another process that writes is to have ended that; it began then. */
  #held: { readonly sinceMs: number; readonly pause: Promise<void> } | undefined

  constructor(context: GroupCommitContext) {
    this.#context = context
    this.#changes = context.database.prepare('select total_changes() as changes')
  }

  /**
   * Runs `run` inside a transaction; resolves with its value when that is durable. What is asked for
   * by another one's `run` is part of the same transaction.
   *
   * @param isPatient whether it may wait for a few milliseconds, to be durable together with others.
   */
  write<T>(run: () => T, isPatient = false): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    this.#writes.push({ run, isPatient, resolve, reject })
    this.#plan()
    return promise
  }

  /**
   * Resolves when all that can be read is durable, and so may be told. Who reads in the same turn as
   * this resolves reads nothing else: the next group begins in a later one.
   */
  async durable(): Promise<void> {
    while (this.#flushing) await this.#flushing
  }

  /** Commits what is waiting, and resolves when nothing waits any more. */
  async end(): Promise<void> {
    while (this.#writes.length > 0 || this.#flushing) {
      await this.durable()
      await this.#held?.pause
      this.#commit()
    }
  }

  #plan(): void {
    if (this.#flushing || this.#writes.length === 0) return
    if (this.#held || this.#context.database.isTransaction) return
    if (this.#writes.every(({ isPatient }) => isPatient)) {
      this.#later ??= setTimeout(() => this.#commit(), patienceMs)
    } else this.#soon ??= setImmediate(() => this.#commit())
  }

  /**
   * When the database cannot be relied on any more, nobody who waits is told anything: whether it
   * was committed shows when it is opened again.
   */
  #commit(): void {
    clearImmediate(this.#soon)
    clearTimeout(this.#later)
    this.#soon = undefined
    this.#later = undefined
    if (this.#flushing) return
    const { database, guard, flush, undone } = this.#context
    if (this.#writes.length === 0) {
      this.#held = undefined
      return
    }
    const writes: Write[] = []
    const settle: (() => void)[] = []
    let isChanged = false
    let isBegun = false
    try {
      guard.run(() => {
        const before = this.#totalChanges()
        database.exec('begin immediate')
        isBegun = true
        for (let write = this.#writes.shift(); write; write = this.#writes.shift()) {
          writes.push(write)
          settle.push(this.#runOne(write))
        }
        database.exec('commit')
        isChanged = this.#totalChanges() !== before
      })
    } catch (error) {
      if (error instanceof BrokenDatabase) return
      if (database.isTransaction) database.exec('rollback')
      if (!isBegun && isHeld(error) && this.#waitForOther()) return
      this.#held = undefined
      undone()
      // Where it could not even begin, they are waiting still.
      for (const write of [...writes, ...this.#writes.splice(0)]) write.reject(error)
      return
    }
    this.#held = undefined
    // What changed nothing, as a fact that is known already, has nothing to wait for.
    if (!flush || !isChanged) return this.#settle(settle)
    this.#flushing = guard.flush(flush).then(
      () => this.#settle(settle),
      // The process ends: nobody is to go on.
      () => Promise.withResolvers<never>().promise,
    )
  }

  /** Tries again soon; false if it has waited for too long. */
  #waitForOther(): boolean {
    const sinceMs = this.#held?.sinceMs ?? performance.now()
    if (performance.now() - sinceMs > heldWithinMs) return false
    this.#held = { sinceMs, pause: this.#askAgain() }
    return true
  }

  async #askAgain(): Promise<void> {
    await delay(askAgainMs)
    this.#commit()
  }

  /** Rows that this connection has ever changed, those that were rolled back too. */
  #totalChanges(): unknown {
    return this.#changes.get()?.['changes']
  }

  #settle(settle: readonly (() => void)[]): void {
    this.#flushing = undefined
    for (const done of settle) done()
    this.#context.committed()
    this.#plan()
  }

  #runOne({ run, resolve, reject }: Write): () => void {
    const { database, guard } = this.#context
    database.exec('savepoint one')
    try {
      const value = guard.run(run)
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
