/** All that is known of a job: `GET /jobs/{id}`. */
import type { JobDetails } from '../domain/protocol.ts'
import type { JobStore } from '../store/jobs.ts'
import type { Clients } from './clients.ts'
import { findJob } from './find.ts'
import { statusMessage } from './status-message.ts'

export type DescribeContext = { readonly store: JobStore; readonly clients: Clients }

/** @throws Fault `not_found` */
export async function describeJob(
  { store, clients }: DescribeContext,
  id: number,
): Promise<JobDetails> {
  const job = await findJob(store, id)
  const [attempts, history] = await Promise.all([store.attempts(id), store.history(id)])
  return {
    id,
    user: job.userId,
    service: job.service,
    status: job.status,
    message: statusMessage(clients, job),
    maxAttempts: job.scriptAttempts,
    failedAttempts: job.failedAttempts,
    lostAttempts: job.lostAttempts,
    maxRuntimeSeconds: job.maxRuntimeMs === null ? null : job.maxRuntimeMs / 1000,
    limits: job.limits,
    createdAt: time(job.createdAtMs),
    changedAt: time(job.changedAtMs),
    finalAt: maybeTime(job.finalAtMs),
    terminateRequestedAt: maybeTime(job.terminateRequestedAtMs),
    result: job.result,
    attempts: attempts.map((attempt) => ({
      number: attempt.number,
      client: attempt.client.uploadUrl,
      payload: attempt.payloadId,
      claimedAt: time(attempt.claimedAtMs),
      submittedAt: maybeTime(attempt.submittedAtMs),
      startedAt: maybeTime(attempt.startedAtMs),
      endedAt: maybeTime(attempt.endedAtMs),
      outcome: attempt.outcome,
    })),
    history: history.map(({ atMs, from, to, attempt, client, reason }) => {
      return { at: time(atMs), from, to, attempt, client, reason }
    }),
  }
}

function time(ms: number): string {
  return new Date(ms).toISOString()
}

function maybeTime(ms: number | null): string | null {
  return ms === null ? null : time(ms)
}
