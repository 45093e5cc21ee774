/** The server's store: the real `decide`, applied as `src/store/sqlite/jobs.ts` applies it. */
import { decide } from '../../src/domain/decide.ts'
import type { Fact } from '../../src/domain/decide.ts'
import { isActive, isFinal, mayBecome } from '../../src/domain/job.ts'
import type { Job, JobStatus } from '../../src/domain/job.ts'
import { Violation, attemptOf, jobOf, keyOf } from './world.ts'
import type { ModelJob, World } from './world.ts'

const rules = { maxAttempts: 5 }
const result = { sizeBytes: 1, sha256: 'a'.repeat(64) }

/** An attempt's end, as `decide` takes it. */
export function ended(
  attempt: number,
  status: 'Completed' | 'Failed' | 'Invalid' | 'Killed',
): Fact {
  return { is: 'ended', attempt, status, message: status, result }
}

/** One transaction. */
export function learn(world: World, id: number, fact: Fact): void {
  const job = theJob(world, id)
  for (const change of decide(asJob(id, job), fact, rules, 0)) {
    step(job, change.to)
    job.lostAttempts = change.job?.lostAttempts ?? job.lostAttempts
    job.failedAttempts = change.job?.failedAttempts ?? job.failedAttempts
    job.isMarked ||= (change.job?.terminateRequestedAtMs ?? null) !== null
  }
}

/** The job gets a new attempt, at this client. */
export function claim(world: World, id: number, client: number): string {
  const job = theJob(world, id)
  if (job.isMarked) throw new Violation(`job ${id} is to be terminated, and is sent`)
  step(job, 'Processing')
  job.attempt += 1
  job.at.push(client)
  job.meantFor.push(world.server.links[client]?.instance ?? 0)
  return keyOf(id, job.attempt)
}

export function theJob(world: World, id: number): ModelJob {
  const job = world.jobs[id]
  if (!job) throw new Error(`there is no job ${id}`)
  return job
}

/** Whether this is the current attempt of a job, and at work. */
export function isWanted(world: World, key: string): boolean {
  const job = theJob(world, jobOf(key))
  return job.attempt === attemptOf(key) && isActive(job.status)
}

/** A mark is a step to the same status; any other has to be one of the walk. */
function step(job: ModelJob, to: JobStatus): void {
  if (to !== job.status && !mayBecome(job.status, to)) {
    throw new Violation(`a job goes from ${job.status} to ${to}`)
  }
  if (isFinal(job.status)) throw new Violation(`a job is ${job.status}, and goes on`)
  job.status = to
}

function asJob(id: number, job: ModelJob): Job {
  return {
    id,
    userId: 'ada',
    service: 'example',
    status: job.status,
    message: '',
    attempt: job.attempt,
    lostAttempts: job.lostAttempts,
    scriptAttempts: job.scriptAttempts,
    failedAttempts: job.failedAttempts,
    maxRuntimeMs: null,
    limits: {},
    createdAtMs: 0,
    changedAtMs: 0,
    finalAtMs: isFinal(job.status) ? 0 : null,
    terminateRequestedAtMs: job.isMarked ? 0 : null,
    retryAtMs: null,
    isFlat: true,
    result: job.result ? result : null,
  }
}
