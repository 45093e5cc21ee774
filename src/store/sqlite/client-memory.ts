/** What a client remembers beside its payloads: a small SQLite file in its data directory. */
import { randomBytes, randomInt } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import { crashPoint } from '../../crash-points.ts'
import { messageOf } from '../../domain/errors.ts'
import type { ClientMemory } from '../client-memory.ts'
import { StoreError, createPrivately } from './database.ts'
import { DatabaseGuard } from './guard.ts'
import type { OnBroken } from './guard.ts'
import { integer, text } from './rows.ts'

/** So many ids are reserved by one durable write; a restart skips what is left of them. */
const idsAtOnce = 100

/**
 * A new instance begins somewhere below 2^30, so that a server that knows nothing of instances
 * does not take a payload for one of an earlier life of this client, and so that ids stay well
 * below 2^31.
 */
const highestFirstId = 2 ** 30

const schema = `
create table if not exists client (
  id integer primary key check (id = 1),
  instance text not null,
  reserved_id integer not null
) strict;
create table if not exists refused_keys (key text primary key, at_ms integer not null)
  strict, without rowid;
create index if not exists refused_keys_at on refused_keys (at_ms);
`

/**
 * Opens or creates a client's memory.
 *
 * @param path a file, or `:memory:`.
 * @param onBroken see `openJobStore`.
 * @throws StoreError if it cannot be used.
 */
export function openClientMemory(path: string, onBroken: OnBroken = () => {}): ClientMemory {
  try {
    createPrivately(path)
    const database = new DatabaseSync(path)
    database.exec('pragma journal_mode = wal; pragma synchronous = full;')
    database.exec(schema)
    database.exec('pragma synchronous = normal')
    return new SqliteClientMemory(database, new DatabaseGuard(path, onBroken))
  } catch (error) {
    throw new StoreError(`cannot use ${path}: ${messageOf(error)}`, { cause: error })
  }
}

class SqliteClientMemory implements ClientMemory {
  readonly instance: string
  readonly #database: DatabaseSync
  readonly #guard: DatabaseGuard
  readonly #statements: Statements
  #nextId: number
  #reservedId: number

  constructor(database: DatabaseSync, guard: DatabaseGuard) {
    this.#database = database
    this.#guard = guard
    this.#statements = prepare(database)
    const first = [randomBytes(8).toString('hex'), randomInt(0, highestFirstId)] as const
    this.#durably(() => this.#statements.begin.run(...first))
    const row = database.prepare('select * from client').get() ?? {}
    this.instance = text(row, 'instance')
    this.#reservedId = integer(row, 'reserved_id')
    this.#nextId = this.#reservedId + 1
  }

  nextPayloadId(): number {
    if (this.#nextId > this.#reservedId) {
      const reserved = this.#reservedId + idsAtOnce
      this.#durably(() => this.#guard.run(() => this.#statements.reserve.run(reserved)))
      crashPoint('submit: id reserved')
      this.#reservedId = reserved
    }
    return this.#nextId++
  }

  refuse(key: string, nowMs: number): void {
    this.#durably(() => this.forget([key], nowMs))
  }

  forget(keys: readonly string[], nowMs: number): void {
    this.#guard.run(() => {
      this.#database.exec('begin immediate')
      try {
        for (const key of keys) this.#statements.refuse.run(key, nowMs)
        this.#database.exec('commit')
      } finally {
        if (this.#database.isTransaction) this.#database.exec('rollback')
      }
    })
  }

  isRefused(key: string): boolean {
    return this.#guard.run(() => this.#statements.isRefused.get(key)) !== undefined
  }

  dropRefusals(beforeMs: number): void {
    this.#guard.run(() => this.#statements.dropRefused.run(beforeMs))
  }

  /** Has SQLite flush what is committed meanwhile. */
  #durably(work: () => void): void {
    this.#database.exec('pragma synchronous = full')
    try {
      work()
    } finally {
      this.#database.exec('pragma synchronous = normal')
    }
  }

  [Symbol.dispose](): void {
    this.#database.close()
  }
}

type Statements = ReturnType<typeof prepare>

function prepare(database: DatabaseSync) {
  const of = (sql: string) => database.prepare(sql)
  return {
    begin: of('insert or ignore into client (id, instance, reserved_id) values (1, ?, ?)'),
    reserve: of('update client set reserved_id = ?'),
    refuse: of('insert or ignore into refused_keys (key, at_ms) values (?, ?)'),
    isRefused: of('select 1 from refused_keys where key = ?'),
    dropRefused: of('delete from refused_keys where at_ms < ?'),
  }
}
