/** The client's index of payloads, on SQLite in memory. */
import { DatabaseSync } from 'node:sqlite'
import type { StatementSync } from 'node:sqlite'
import { payloadMayBecome, serverOf } from '../../domain/payload.ts'
import type { Payload, PayloadStatus } from '../../domain/payload.ts'
import type { EndedPayloads, NewPayload, PayloadChange, PayloadStore } from '../payloads.ts'
import { integer, maybeText, toPayload } from './rows.ts'

const schema = `
create table payloads (
  id integer primary key,
  key text unique,
  server_id text,
  job_id integer,
  user_id text,
  service text,
  attempt integer,
  max_runtime_ms integer check (max_runtime_ms > 0),
  max_runtime_of text check (max_runtime_of in ('service', 'upload')),
  limits text check (json_type(limits) = 'object'),
  status text not null default 'Prepared' check (status in
    ('Prepared', 'Running', 'Completed', 'Failed', 'Invalid', 'Killed')),
  message text not null default '',
  received_at_ms integer not null,
  started_at_ms integer,
  ended_at_ms integer,
  pid integer not null default 0 check (pid >= 0),
  kill_reason text,
  result_size_bytes integer check (result_size_bytes >= 0),
  result_sha256 text check (length(result_sha256) = 64),
  check ((key is null) = (job_id is null)),
  check ((result_size_bytes is null) = (result_sha256 is null)),
  check ((status in ('Prepared', 'Running')) = (ended_at_ms is null)),
  check (status <> 'Completed' or result_sha256 is not null)
) strict;

create index payloads_open on payloads (status, id) where status in ('Prepared', 'Running');
create index payloads_of_server on payloads (server_id) where server_id is not null;
create index payloads_ended on payloads (server_id, ended_at_ms) where ended_at_ms is not null;
`

export function openPayloadStore(): PayloadStore {
  return new SqlitePayloadStore(new DatabaseSync(':memory:'))
}

class SqlitePayloadStore implements PayloadStore {
  readonly #database: DatabaseSync
  readonly #sql: Record<
    | 'insert'
    | 'find'
    | 'findByKey'
    | 'nextPrepared'
    | 'ofServer'
    | 'ended'
    | 'endedBefore'
    | 'count'
    | 'countEnded'
    | 'update'
    | 'remove',
    StatementSync
  >

  constructor(database: DatabaseSync) {
    database.exec(schema)
    this.#database = database
    this.#sql = {
      insert: database.prepare(`insert into payloads
        (id, key, server_id, job_id, user_id, service, attempt,
         max_runtime_ms, max_runtime_of, limits, received_at_ms)
        values (:id, :key, :serverId, :jobId, :userId, :service, :attempt,
         :maxRuntimeMs, :maxRuntimeOf, :limits, :receivedAtMs)`),
      find: database.prepare('select * from payloads where id = ?'),
      findByKey: database.prepare('select * from payloads where key = ?'),
      nextPrepared: database.prepare(`select * from payloads
        where status = 'Prepared' and kill_reason is null order by id limit 1`),
      ofServer: database.prepare('select * from payloads where server_id = ? order by id'),
      ended: database.prepare(`select server_id, min(ended_at_ms) as oldest from payloads
        where ended_at_ms is not null group by server_id`),
      endedBefore: database.prepare(`select * from payloads
        where server_id is ? and ended_at_ms < ? order by ended_at_ms limit ?`),
      count: database.prepare(`select count(*) as active,
        count(*) filter (where status = 'Running') as running
        from payloads where status in ('Prepared', 'Running')`),
      countEnded: database.prepare(`select count(key) as unfetched,
        count(*) - count(key) as kept
        from payloads where ended_at_ms is not null`),
      update: database.prepare(`update payloads set
          status = :to, message = :message, started_at_ms = :startedAtMs, ended_at_ms = :endedAtMs,
          pid = :pid, kill_reason = :killReason,
          result_size_bytes = :resultSizeBytes, result_sha256 = :resultSha256
        where id = :id and status = :from`),
      remove: database.prepare('delete from payloads where id = ?'),
    }
  }

  check(): void {
    this.#sql.count.get()
  }

  insert({ id, origin, receivedAtMs }: NewPayload): Payload {
    this.#sql.insert.run({
      id,
      key: origin?.key ?? null,
      serverId: origin ? serverOf(origin.key) : null,
      jobId: origin?.jobId ?? null,
      userId: origin?.userId ?? null,
      service: origin?.service ?? null,
      attempt: origin?.attempt ?? null,
      maxRuntimeMs: origin?.maxRuntimeMs ?? null,
      maxRuntimeOf: origin?.maxRuntimeOf ?? null,
      limits: origin?.limits ? JSON.stringify(origin.limits) : null,
      receivedAtMs,
    })
    const payload = this.find(id)
    if (!payload) throw new Error(`payload ${id} is gone from the table`)
    return payload
  }

  find(id: number): Payload | undefined {
    const row = this.#sql.find.get(id)
    return row && toPayload(row)
  }

  findByKey(key: string): Payload | undefined {
    const row = this.#sql.findByKey.get(key)
    return row && toPayload(row)
  }

  nextPrepared(): Payload | undefined {
    const row = this.#sql.nextPrepared.get()
    return row && toPayload(row)
  }

  ofServer(serverId: string): Payload[] {
    return this.#sql.ofServer.all(serverId).map(toPayload)
  }

  ended(): EndedPayloads[] {
    return this.#sql.ended.all().map((row) => ({
      serverId: maybeText(row, 'server_id'),
      oldestEndedAtMs: integer(row, 'oldest'),
    }))
  }

  endedBefore(serverId: string | null, beforeMs: number, limit: number): Payload[] {
    return this.#sql.endedBefore.all(serverId, beforeMs, limit).map(toPayload)
  }

  count(): { readonly active: number; readonly running: number } {
    const row = this.#sql.count.get() ?? {}
    return { active: integer(row, 'active'), running: integer(row, 'running') }
  }

  countEnded(): { readonly unfetched: number; readonly kept: number } {
    const row = this.#sql.countEnded.get() ?? {}
    return { unfetched: integer(row, 'unfetched'), kept: integer(row, 'kept') }
  }

  change(
    id: number,
    from: PayloadStatus,
    to: PayloadStatus,
    change: PayloadChange,
  ): Payload | undefined {
    if (from !== to && !payloadMayBecome(from, to)) {
      throw new Error(`a payload cannot go from ${from} to ${to}`)
    }
    const before = this.find(id)
    if (!before) return undefined
    const after = { ...before, ...change }
    const { changes } = this.#sql.update.run({
      id,
      from,
      to,
      message: after.message,
      startedAtMs: after.startedAtMs,
      endedAtMs: after.endedAtMs,
      pid: after.pid,
      killReason: after.killReason,
      resultSizeBytes: after.result?.sizeBytes ?? null,
      resultSha256: after.result?.sha256 ?? null,
    })
    return changes === 1 ? this.find(id) : undefined
  }

  remove(id: number): void {
    this.#sql.remove.run(id)
  }

  [Symbol.dispose](): void {
    this.#database.close()
  }
}
