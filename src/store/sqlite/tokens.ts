/**
 * API tokens, in the server's database, over a connection of their own. The server only reads; who
 * writes beside it holds the database for as short as can be: what is committed is flushed after.
 */
import { DatabaseSync } from 'node:sqlite'
import type { StatementSync } from 'node:sqlite'
import { scopes } from '../../domain/access.ts'
import { Fault, messageOf, sqliteCode } from '../../domain/errors.ts'
import type { Token } from '../../domain/token.ts'
import type { HashedToken, TokenStore } from '../tokens.ts'
import { StoreError } from './database.ts'
import { DatabaseGuard } from './guard.ts'
import type { OnBroken } from './guard.ts'
import { Journal } from './journal.ts'
import { integer, maybeInteger, maybeText, text } from './rows.ts'
import type { Row } from './rows.ts'

/** A server's own writes are short; a write of ours waits so long for one. */
const writeWithinMs = 5_000
/** SQLITE_CONSTRAINT_UNIQUE */
const notUnique = 2067

const statements = {
  any: 'select 1 from tokens limit 1',
  find: 'select * from tokens where id = ?',
  list: 'select * from tokens order by created_at_ms, id',
  insert: `insert into tokens
    (id, name, hash, scopes, user_id, service, created_at_ms, expires_at_ms, revoked_at_ms)
    values (:id, :name, :hash, :scopes, :userId, :service, :createdAtMs, :expiresAtMs,
      :revokedAtMs)`,
  named: `select id from tokens where id = :which or name = :which
    order by revoked_at_ms is null desc, revoked_at_ms desc limit 1`,
  revoke: 'update tokens set revoked_at_ms = ? where id = ? and revoked_at_ms is null',
} as const

type Statements = Readonly<Record<keyof typeof statements, StatementSync>>

/**
 * Opens the tokens of a server.
 *
 * @param path a database of the newest version.
 * @param onBroken see `openJobStore`.
 * @throws StoreError if it cannot be used.
 */
export function openTokenStore(path: string, onBroken: OnBroken = () => {}): TokenStore {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path, { timeout: writeWithinMs })
    // Shortening the journal is the server's, who looks at how long it takes.
    database.exec('pragma synchronous = normal; pragma wal_autocheckpoint = 0')
    return new SqliteTokenStore(database, path, new DatabaseGuard(path, onBroken))
  } catch (error) {
    database?.close()
    throw new StoreError(`cannot use the database ${path}: ${messageOf(error)}`, { cause: error })
  }
}

class SqliteTokenStore implements TokenStore {
  readonly #database: DatabaseSync
  readonly #path: string
  readonly #guard: DatabaseGuard
  readonly #sql: Statements

  constructor(database: DatabaseSync, path: string, guard: DatabaseGuard) {
    this.#database = database
    this.#path = path
    this.#guard = guard
    const prepared = Object.entries(statements).map(([name, sql]) => [name, database.prepare(sql)])
    this.#sql = Object.fromEntries(prepared) as Statements
  }

  hasAny(): boolean {
    return this.#guard.run(() => this.#sql.any.get()) !== undefined
  }

  find(id: string): HashedToken | undefined {
    const row = this.#guard.run(() => this.#sql.find.get(id))
    return row && { token: toToken(row), hash: toHash(row) }
  }

  list(): Token[] {
    return this.#guard.run(() => this.#sql.list.all()).map(toToken)
  }

  async insert(token: Token, hash: Uint8Array): Promise<void> {
    try {
      this.#guard.run(() =>
        this.#sql.insert.run({ ...token, hash, scopes: token.scopes.join(',') }),
      )
    } catch (error) {
      if (sqliteCode(error) !== notUnique) throw error
      throw new Fault(
        'conflict',
        `there is a token "${token.name}" already: revoke that one first, or take another name`,
        { cause: error },
      )
    }
    await this.#flush()
  }

  async revoke(which: string, nowMs: number): Promise<Token | undefined> {
    const row = this.#guard.run(() => this.#sql.named.get({ which }))
    if (!row) return undefined
    const id = text(row, 'id')
    this.#guard.run(() => this.#sql.revoke.run(nowMs, id))
    await this.#flush()
    return this.find(id)?.token
  }

  [Symbol.dispose](): void {
    this.#guard.run(() => this.#database.close())
  }

  async #flush(): Promise<void> {
    using journal = new Journal(this.#path)
    await this.#guard.flush(() => journal.flush())
  }
}

function toToken(row: Row): Token {
  const names = text(row, 'scopes').split(',')
  return {
    id: text(row, 'id'),
    name: text(row, 'name'),
    // One of a later version means nothing to us.
    scopes: scopes.filter((scope) => names.includes(scope)),
    userId: maybeText(row, 'user_id'),
    service: maybeText(row, 'service'),
    createdAtMs: integer(row, 'created_at_ms'),
    expiresAtMs: maybeInteger(row, 'expires_at_ms'),
    revokedAtMs: maybeInteger(row, 'revoked_at_ms'),
  }
}

function toHash(row: Row): Uint8Array {
  const { hash } = row
  if (!(hash instanceof Uint8Array)) throw new TypeError('column hash holds no bytes')
  return hash
}
