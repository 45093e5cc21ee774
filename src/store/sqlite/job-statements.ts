import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type { DatabaseGuard } from './guard.ts'

/** Every statement that the server's store runs, prepared once. */
export const statements = {
  server: 'select server_id from server',
  highestId: "select coalesce((select seq from sqlite_sequence where name = 'jobs'), 0) as id",
  anyNeedsFiles: "select 1 from jobs where status <> 'Cleaned' limit 1",
  job: 'select * from jobs where id = ?',
  activeJobs: `select * from jobs where status in ('Processing', 'Submitted', 'Running')
    order by id`,
  activeAt: `select jobs.* from attempts
    join jobs on jobs.id = attempts.job_id and jobs.attempt = attempts.number
    where attempts.upload_url = ? and attempts.ended_at_ms is null
      and jobs.status in ('Processing', 'Submitted', 'Running')
    order by jobs.id`,
  attempt: 'select * from attempts where job_id = ? and number = ?',
  attempts: 'select * from attempts where job_id = ? order by number',
  attemptByKey: 'select * from attempts where key = ?',
  history: 'select * from history where job_id = ? order by id',
  backlog: `select service, queued, active, (
      select created_at_ms from jobs
      where jobs.service = services.service and status = 'Queued' order by jobs.id limit 1
    ) as oldest
    from services where queued > 0 or active > 0`,
  insertJob: `insert into jobs
    (id, user_id, service, status, is_flat, script_attempts, max_runtime_ms, limits, idempotency_key,
      upload_fingerprint, created_at_ms, changed_at_ms)
    values (:id, :userId, :service, 'Queued', :isFlat, :scriptAttempts, :maxRuntimeMs, :limits, :key,
      :fingerprint, :nowMs, :nowMs)`,
  upload: 'select * from jobs where user_id = ? and idempotency_key = ?',
  freeUploadKey: 'update jobs set idempotency_key = null, upload_fingerprint = null where id = ?',
  insertHistory: `insert into history
    (job_id, at_ms, from_status, to_status, attempt, client, reason)
    values (:id, :nowMs, :from, :to, :attempt, :client, :reason)`,
  insertAttempt: `insert into attempts
    (job_id, number, key, upload_url, download_url, terminate_url, instance, claimed_at_ms)
    values (:id, :number, :key, :uploadUrl, :downloadUrl, :terminateUrl, :instance, :nowMs)`,
  updateJob: `update jobs set
      status = :to, attempt = :attempt, changed_at_ms = :nowMs, message = :message,
      lost_attempts = :lostAttempts, failed_attempts = :failedAttempts,
      terminate_requested_at_ms = :terminateRequestedAtMs,
      retry_at_ms = :retryAtMs, final_at_ms = :finalAtMs,
      result_size_bytes = :resultSizeBytes, result_sha256 = :resultSha256
    where id = :id and status = :from and attempt = :fromAttempt`,
  updateAttempt: `update attempts set
      instance = :instance, payload_id = :payloadId, submitted_at_ms = :submittedAtMs,
      started_at_ms = :startedAtMs, ended_at_ms = :endedAtMs, outcome = :outcome
    where job_id = :id and number = :number`,
  waiting: 'select queued + retrying as waiting from turns where service = ? and user_id = ?',
  service: 'select active from services where service = ?',
  nextTurn: `select user_id, active, last_start, first_job from turns
    where service = ? and queued > 0
    order by active, last_start, first_job limit 1`,
  nextJob: `select id from jobs
    where service = ? and user_id = ? and status = 'Queued' and retry_at_ms is null
    order by id limit 1`,
  passOver: `update jobs set retry_at_ms = ?, message = ? where id = ? and status = 'Queued'`,
  startTurn: `update turns
    set last_start = 1 + (select starts from services where service = :service)
    where service = :service and user_id = :userId`,
  countStart: 'update services set starts = starts + 1 where service = ?',
  releaseRetries: 'update jobs set retry_at_ms = null where retry_at_ms <= ?',
  nextRetry: 'select min(retry_at_ms) as next from jobs where retry_at_ms is not null',
  finalBefore: `select id from jobs where final_at_ms < ? and status <> 'Cleaned'
    order by final_at_ms limit ?`,
  oldestFinal: `select min(final_at_ms) as oldest from jobs
    where final_at_ms is not null and status <> 'Cleaned'`,
  withoutFiles: `select value as id from json_each(?)
    where not exists (select 1 from jobs where jobs.id = value and status <> 'Cleaned')`,
  lastChange: 'select at_ms from history order by id desc limit 1',
} as const

type Statement = Pick<StatementSync, 'get' | 'all' | 'run'>

export type JobStatements = Readonly<Record<keyof typeof statements, Statement>>

export function prepareJobStatements(database: DatabaseSync, guard: DatabaseGuard): JobStatements {
  const prepared = Object.entries(statements).map(([name, sql]) => [
    name,
    guarded(database.prepare(sql), guard),
  ])
  return Object.fromEntries(prepared) as JobStatements
}

function guarded(statement: StatementSync, guard: DatabaseGuard): Statement {
  const call =
    (name: keyof Statement) =>
    (...parameters: SQLInputValue[]) =>
      guard.run(() => statement[name](...parameters))
  return { get: call('get'), all: call('all'), run: call('run') } as Statement
}
