/** Rows of the database as what they mean. */
import type { SQLOutputValue } from 'node:sqlite'
import { jobStatuses } from '../../domain/job.ts'
import type { Attempt, HistoryEntry, Job, JobStatus, Result } from '../../domain/job.ts'
import type { Limits } from '../../domain/limits.ts'
import type { MaxRuntime } from '../../domain/max-runtime.ts'
import { payloadStatuses } from '../../domain/payload.ts'
import type { Payload, PayloadStatus } from '../../domain/payload.ts'

export type Row = Record<string, SQLOutputValue>

export function integer(row: Row, column: string): number {
  const value = row[column]
  if (typeof value !== 'number') throw new TypeError(`column ${column} holds no integer`)
  return value
}

export function text(row: Row, column: string): string {
  const value = row[column]
  if (typeof value !== 'string') throw new TypeError(`column ${column} holds no text`)
  return value
}

const maybe = <T>(read: (row: Row, column: string) => T, row: Row, column: string): T | null =>
  row[column] === null ? null : read(row, column)

export const maybeInteger = (row: Row, column: string) => maybe(integer, row, column)
export const maybeText = (row: Row, column: string) => maybe(text, row, column)

export function jobStatus(row: Row, column: string): JobStatus {
  const status = jobStatuses.find((known) => known === row[column])
  if (!status) throw new TypeError(`column ${column} holds no status of a job`)
  return status
}

function payloadStatus(row: Row, column: string): PayloadStatus {
  const status = payloadStatuses.find((known) => known === row[column])
  if (!status) throw new TypeError(`column ${column} holds no status of a payload`)
  return status
}

/** JSON that we have written ourselves. */
function parsed(row: Row, column: string): unknown {
  const json = maybeText(row, column)
  return json === null ? undefined : JSON.parse(json)
}

/** Whose limit it is may be left out: it is the service's then. */
function maxRuntime(row: Row): Partial<MaxRuntime> {
  const maxRuntimeMs = maybeInteger(row, 'max_runtime_ms')
  if (maxRuntimeMs === null) return {}
  return { maxRuntimeMs, maxRuntimeOf: row['max_runtime_of'] === 'upload' ? 'upload' : 'service' }
}

function limitsIn(row: Row): { limits?: Limits } {
  const limits = parsed(row, 'limits') as Limits | undefined
  return limits ? { limits } : {}
}

export function result(row: Row): Result | null {
  const sizeBytes = maybeInteger(row, 'result_size_bytes')
  const sha256 = maybeText(row, 'result_sha256')
  return sizeBytes === null || sha256 === null ? null : { sizeBytes, sha256 }
}

export function toJob(row: Row): Job {
  return {
    id: integer(row, 'id'),
    userId: text(row, 'user_id'),
    service: text(row, 'service'),
    status: jobStatus(row, 'status'),
    message: text(row, 'message'),
    attempt: integer(row, 'attempt'),
    lostAttempts: integer(row, 'lost_attempts'),
    scriptAttempts: integer(row, 'script_attempts'),
    failedAttempts: integer(row, 'failed_attempts'),
    maxRuntimeMs: maybeInteger(row, 'max_runtime_ms'),
    limits: parsed(row, 'limits') ?? {},
    createdAtMs: integer(row, 'created_at_ms'),
    changedAtMs: integer(row, 'changed_at_ms'),
    finalAtMs: maybeInteger(row, 'final_at_ms'),
    terminateRequestedAtMs: maybeInteger(row, 'terminate_requested_at_ms'),
    retryAtMs: maybeInteger(row, 'retry_at_ms'),
    isFlat: integer(row, 'is_flat') === 1,
    result: result(row),
  }
}

export function toAttempt(row: Row): Attempt {
  return {
    jobId: integer(row, 'job_id'),
    number: integer(row, 'number'),
    key: text(row, 'key'),
    client: {
      uploadUrl: text(row, 'upload_url'),
      downloadUrl: text(row, 'download_url'),
      terminateUrl: text(row, 'terminate_url'),
    },
    instance: maybeText(row, 'instance'),
    payloadId: maybeInteger(row, 'payload_id'),
    claimedAtMs: integer(row, 'claimed_at_ms'),
    submittedAtMs: maybeInteger(row, 'submitted_at_ms'),
    startedAtMs: maybeInteger(row, 'started_at_ms'),
    endedAtMs: maybeInteger(row, 'ended_at_ms'),
    outcome: maybeText(row, 'outcome'),
  }
}

export function toHistoryEntry(row: Row): HistoryEntry {
  return {
    atMs: integer(row, 'at_ms'),
    from: row['from_status'] === null ? null : jobStatus(row, 'from_status'),
    to: jobStatus(row, 'to_status'),
    attempt: integer(row, 'attempt'),
    client: maybeText(row, 'client'),
    reason: text(row, 'reason'),
  }
}

export function toPayload(row: Row): Payload {
  const key = maybeText(row, 'key')
  return {
    id: integer(row, 'id'),
    origin:
      key === null
        ? null
        : {
            key,
            jobId: integer(row, 'job_id'),
            userId: text(row, 'user_id'),
            service: text(row, 'service'),
            attempt: integer(row, 'attempt'),
            ...maxRuntime(row),
            ...limitsIn(row),
          },
    status: payloadStatus(row, 'status'),
    message: text(row, 'message'),
    receivedAtMs: integer(row, 'received_at_ms'),
    startedAtMs: maybeInteger(row, 'started_at_ms'),
    endedAtMs: maybeInteger(row, 'ended_at_ms'),
    pid: integer(row, 'pid'),
    killReason: maybeText(row, 'kill_reason'),
    result: result(row),
  }
}
