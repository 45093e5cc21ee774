/**
 * A job as the server knows it: its statuses, what each may become, and what is remembered of it.
 */

import type { LimitValues } from './limits.ts'

/** The statuses of a job, in the order of its life. */
export const jobStatuses = [
  'Queued',
  'Processing',
  'Submitted',
  'Running',
  'Completed',
  'Failed',
  'Invalid',
  'Killed',
  'Cleaned',
] as const

export type JobStatus = (typeof jobStatuses)[number]

/** The four ends of a job; `Cleaned` is what is left of one when its files are gone. */
export type Ending = 'Completed' | 'Failed' | 'Invalid' | 'Killed'

const nextStatuses: Record<JobStatus, readonly JobStatus[]> = {
  Queued: ['Processing', 'Failed', 'Killed'],
  Processing: ['Queued', 'Submitted', 'Failed', 'Invalid', 'Killed'],
  Submitted: ['Queued', 'Running', 'Completed', 'Failed', 'Invalid', 'Killed'],
  Running: ['Queued', 'Completed', 'Failed', 'Invalid', 'Killed'],
  Completed: ['Cleaned'],
  Failed: ['Cleaned'],
  Invalid: ['Cleaned'],
  Killed: ['Cleaned'],
  Cleaned: [],
}

/** Every step that a job may take, as pairs; the database refuses all others. */
export const jobWalk: readonly (readonly [JobStatus, JobStatus])[] = jobStatuses.flatMap((from) =>
  nextStatuses[from].map((to) => [from, to] as const),
)

export function mayBecome(from: JobStatus, to: JobStatus): boolean {
  return nextStatuses[from].includes(to)
}

/** Active jobs hold a slot of their user's and their service's quota. */
export function isActive(status: JobStatus): boolean {
  return status === 'Processing' || status === 'Submitted' || status === 'Running'
}

/** A final status never changes, but for `Cleaned`. */
export function isFinal(status: JobStatus): boolean {
  return !isActive(status) && status !== 'Queued'
}

/** A stored result: the ZIP's size and its SHA-256 in lower-case hexadecimal. */
export type Result = { readonly sizeBytes: number; readonly sha256: string }

/** Times are milliseconds since 1970, `null` where it has not happened. */
export type Job = {
  readonly id: number
  readonly userId: string
  readonly service: string
  readonly status: JobStatus
  /** Why it is as it is, for the user; empty while there is nothing to say. */
  readonly message: string
  /** Number of the current attempt; 0 before the first. */
  readonly attempt: number
  /** Attempts that a client accepted and then lost. */
  readonly lostAttempts: number
  /** So often run.sh is run if it fails each time, as the upload asked for; at least 1. */
  readonly scriptAttempts: number
  /** Attempts in which run.sh failed. */
  readonly failedAttempts: number
  /** The longest time that run.sh may run, as the upload asked for; its service may allow less. */
  readonly maxRuntimeMs: number | null
  /** What run.sh may use, as the upload asked for; its service and its client may allow less. */
  readonly limits: LimitValues
  readonly createdAtMs: number
  readonly changedAtMs: number
  readonly finalAtMs: number | null
  readonly terminateRequestedAtMs: number | null
  /** A queued job that backs off is not sent before this. */
  readonly retryAtMs: number | null
  /** None of its files is in a directory: 2.2.3 clients know no others. */
  readonly isFlat: boolean
  readonly result: Result | null
}

/** Where the server calls a client for one service. */
export type ClientAddress = {
  readonly uploadUrl: string
  readonly downloadUrl: string
  readonly terminateUrl: string
}

/** One sending of a job to a client. */
export type Attempt = {
  readonly jobId: number
  readonly number: number
  /** Says to both sides which attempt is meant; see `protocol.ts`. */
  readonly key: string
  readonly client: ClientAddress
  readonly instance: string | null
  readonly payloadId: number | null
  readonly claimedAtMs: number
  readonly submittedAtMs: number | null
  readonly startedAtMs: number | null
  readonly endedAtMs: number | null
  /** How it ended, in words; `null` while it has not. */
  readonly outcome: string | null
}

/** One row of a job's history. `from` is `null` for its beginning. */
export type HistoryEntry = {
  readonly atMs: number
  readonly from: JobStatus | null
  readonly to: JobStatus
  readonly attempt: number
  readonly client: string | null
  readonly reason: string
}
