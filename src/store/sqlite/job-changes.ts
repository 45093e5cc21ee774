/** What a row is after a write, without reading it again. */
import type { Change } from '../../domain/decide.ts'
import { isFinal } from '../../domain/job.ts'
import type { Attempt, Job } from '../../domain/job.ts'

/** A job that was inserted just now. */
export function newlyQueued(
  newJob: Pick<
    Job,
    'id' | 'userId' | 'service' | 'isFlat' | 'scriptAttempts' | 'maxRuntimeMs' | 'limits'
  >,
  nowMs: number,
): Job {
  return {
    ...newJob,
    status: 'Queued',
    message: '',
    attempt: 0,
    lostAttempts: 0,
    failedAttempts: 0,
    createdAtMs: nowMs,
    changedAtMs: nowMs,
    finalAtMs: null,
    terminateRequestedAtMs: null,
    retryAtMs: null,
    result: null,
  }
}

/** An attempt that was begun just now. */
export function newAttempt(
  jobId: number,
  number: number,
  given: Pick<Attempt, 'key' | 'client' | 'instance'>,
  claimedAtMs: number,
): Attempt {
  return {
    jobId,
    number,
    ...given,
    payloadId: null,
    claimedAtMs,
    submittedAtMs: null,
    startedAtMs: null,
    endedAtMs: null,
    outcome: null,
  }
}

/** A job after a step. */
export function changed(before: Job, change: Change, nowMs: number): Job {
  const job = { ...before, ...change.job }
  return {
    ...job,
    status: change.to,
    changedAtMs: nowMs,
    retryAtMs: change.to === 'Queued' ? job.retryAtMs : null,
    finalAtMs: isFinal(change.to) ? (before.finalAtMs ?? nowMs) : null,
  }
}
