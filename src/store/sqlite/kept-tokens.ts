/**
 * The tokens of a server that is restored. A backup knows nothing of what was revoked after it, so
 * those of the database that it replaces count, where that can be read: none is valid again.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { Row } from './rows.ts'

/** The tokens in a database, of this version or an older one, as they stand there. */
export function readTokenRows(database: DatabaseSync): Row[] {
  const isThere = database.prepare("select 1 from sqlite_schema where name = 'tokens'").get()
  return isThere ? database.prepare('select * from tokens').all() : []
}

/** Brings what the server had over into the database of its backup. */
export function mergeTokenRows(database: DatabaseSync, rows: readonly Row[], nowMs: number): void {
  const revoke = database.prepare(
    'update tokens set revoked_at_ms = ? where id = ? and revoked_at_ms is null',
  )
  // Only where the server was restored before without what it had; two cannot have one name.
  const giveUpName = database.prepare(
    'update tokens set revoked_at_ms = ? where name = ? and id <> ? and revoked_at_ms is null',
  )
  const insert = database.prepare(`insert into tokens
    (id, name, hash, scopes, user_id, service, created_at_ms, expires_at_ms, revoked_at_ms)
    values (:id, :name, :hash, :scopes, :user_id, :service, :created_at_ms, :expires_at_ms,
      :revoked_at_ms) on conflict (id) do nothing`)
  database.exec('begin immediate')
  for (const { id = null, revoked_at_ms: at = null } of rows) if (at !== null) revoke.run(at, id)
  for (const row of rows) {
    const { id = null, name = null, revoked_at_ms: at = null } = row
    if (at === null) giveUpName.run(nowMs, name, id)
    insert.run(row)
  }
  database.exec('commit')
}
