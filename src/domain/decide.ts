/**
 * What becomes of a job when something is learnt about it. Pure: the store applies what is decided
 * here inside one transaction, so that a decision and the row it was made from belong together.
 *
 * Facts arrive late, twice and out of order. A fact about an attempt that is not the job's current
 * one, or about a job that is final, changes nothing, but for its age; a fact that is already known
 * neither.
 */
import { sayDuration } from './duration.ts'
import { isActive, isFinal } from './job.ts'
import type { Attempt, Ending, Job, JobStatus, Result } from './job.ts'

/** Where a client keeps what it accepted. */
type Receipt = { readonly payloadId: number; readonly instance: string }

/** How an attempt ended. */
type Ended =
  | { readonly status: 'Completed'; readonly message: string; readonly result: Result }
  | {
      readonly status: Exclude<Ending, 'Completed'>
      readonly message: string
      readonly result: Result | null
    }

/** What can be learnt about a job; `attempt` is the number of the attempt it was learnt of. */
export type Fact =
  /** The client answered that it has the files, durably. */
  | ({ readonly is: 'accepted'; readonly attempt: number } & Receipt)
  /** run.sh is running. */
  | ({ readonly is: 'started'; readonly attempt: number } & Receipt)
  /** The client surely does not have it: not reached, or refused for now. */
  | {
      readonly is: 'undelivered'
      readonly attempt: number
      readonly reason: string
      /** Not to be sent before this, if the trouble is the job's own. */
      readonly retryAtMs: number | null
    }
  /**
   * Everything was sent, and no answer came; and this client cannot be asked what it has. It counts
   * as a loss: it may run there, and nothing will be heard of it.
   */
  | { readonly is: 'unanswered'; readonly attempt: number; readonly reason: string }
  /** The client will never take these files. */
  | { readonly is: 'refused'; readonly attempt: number; readonly reason: string }
  /** It ended, and its result is stored; one that did not complete may have none. */
  | ({ readonly is: 'ended'; readonly attempt: number } & Ended)
  /** A client that had accepted it has it no more. */
  | { readonly is: 'lost'; readonly attempt: number; readonly reason: string }
  /** The client was silent for so long that another one may have the job. */
  | { readonly is: 'client lost'; readonly attempt: number; readonly reason: string }
  /** The files of the job are not there any more, or not whole. */
  | { readonly is: 'broken'; readonly attempt: number; readonly reason: string }
  /** A backup was restored, and what the job cannot be without was neither in it nor there. */
  | { readonly is: 'files missing'; readonly reason: string }
  | { readonly is: 'terminate requested' }
  /** What is final for so long is to lose its files. */
  | { readonly is: 'aged'; readonly maxAgeMs: number }

/** One step, or a mark on the job when `to` is the status that it has. */
export type Change = {
  readonly to: JobStatus
  readonly reason: string
  readonly job?: Partial<
    Pick<
      Job,
      | 'message'
      | 'lostAttempts'
      | 'failedAttempts'
      | 'terminateRequestedAtMs'
      | 'retryAtMs'
      | 'result'
    >
  >
  readonly attempt?: Partial<
    Pick<
      Attempt,
      'instance' | 'payloadId' | 'submittedAtMs' | 'startedAtMs' | 'endedAtMs' | 'outcome'
    >
  >
}

export type Rules = {
  /** So many accepted attempts may be lost; then the job fails. */
  readonly maxAttempts: number
}

/**
 * Decides what a fact changes.
 *
 * @returns the steps to take, in order; none if the fact changes nothing.
 */
export function decide(job: Job, fact: Fact, rules: Rules, nowMs: number): Change[] {
  if (fact.is === 'terminate requested') return decideTerminate(job, nowMs)
  if (fact.is === 'aged') return decideAged(job, fact.maxAgeMs, nowMs)
  if (fact.is === 'files missing') return decideMissing(job, fact.reason, nowMs)
  if (fact.attempt !== job.attempt || !isActive(job.status)) return []
  switch (fact.is) {
    case 'accepted':
      return accept(job, fact, nowMs)
    case 'started':
      return job.status === 'Running'
        ? []
        : [
            ...accept(job, fact, nowMs),
            { to: 'Running', reason: 'run.sh started', attempt: { startedAtMs: nowMs } },
          ]
    case 'ended':
      return decideEnded(job, fact, nowMs)
    case 'undelivered':
      return job.status === 'Processing' ? [sendAgain(job, fact.reason, fact.retryAtMs, nowMs)] : []
    case 'refused':
      return job.status === 'Processing' ? [end('Invalid', fact.reason, nowMs)] : []
    case 'broken':
      return job.status === 'Processing' ? [end('Failed', fact.reason, nowMs)] : []
    case 'unanswered':
      return job.status === 'Processing' ? [decideLost(job, fact.reason, rules, nowMs)] : []
    case 'lost':
      return job.status === 'Processing' ? [] : [decideLost(job, fact.reason, rules, nowMs)]
    case 'client lost':
      return decideClientLost(job, fact.reason, rules, nowMs)
  }
}

function decideTerminate(job: Job, nowMs: number): Change[] {
  if (isFinal(job.status) || job.terminateRequestedAtMs !== null) return []
  const mark = { terminateRequestedAtMs: nowMs }
  if (job.status === 'Queued') {
    const reason = 'terminated before it was sent to a client'
    return [{ to: 'Killed', reason, job: { ...mark, retryAtMs: null, message: reason } }]
  }
  return [{ to: job.status, reason: 'terminate requested', job: mark }]
}

function decideAged(job: Job, maxAgeMs: number, nowMs: number): Change[] {
  const { status, finalAtMs } = job
  if (finalAtMs === null || status === 'Cleaned' || nowMs - finalAtMs < maxAgeMs) return []
  const reason = `it ended ${sayDuration(nowMs - finalAtMs)} ago`
  return [clean(job, reason, `its files were removed after ${sayDuration(maxAgeMs)}`)]
}

/** What had ended has ended, and what has not cannot go on. */
function decideMissing(job: Job, reason: string, nowMs: number): Change[] {
  if (job.status === 'Cleaned') return []
  if (isFinal(job.status)) return [clean(job, reason, reason)]
  // The attempts of a queued job have ended, if it had any.
  if (job.status === 'Queued') return [{ to: 'Failed', reason, job: { message: reason } }]
  return [end('Failed', reason, nowMs)]
}

/** How it ended stays in the message, and what its result was in the history. */
function clean({ status, message, result }: Job, reason: string, why: string): Change {
  const ended = message === '' ? status : `${status} (${message})`
  const had = result ? `; its result had ${result.sizeBytes} bytes, SHA-256 ${result.sha256}` : ''
  return {
    to: 'Cleaned',
    reason: `${reason}${had}`,
    job: { message: `it was ${ended}; ${why}`, result: null },
  }
}

function accept(job: Job, { payloadId, instance }: Receipt, nowMs: number): Change[] {
  if (job.status !== 'Processing') return []
  return [
    {
      to: 'Submitted',
      reason: `accepted as payload ${payloadId}`,
      job: { message: '' },
      attempt: { payloadId, instance, submittedAtMs: nowMs },
    },
  ]
}

function decideEnded(job: Job, fact: Fact & { is: 'ended' }, nowMs: number): Change[] {
  const last = decideVerdict(job, fact, nowMs)
  if (job.status !== 'Processing') return [last]
  // The end overtook the answer to /submit; the history still tells every step.
  return [
    { to: 'Submitted', reason: 'accepted and ended', attempt: { submittedAtMs: nowMs } },
    last,
  ]
}

/** A script that failed is run again only as often as its upload asked for. */
function decideVerdict(job: Job, { status, message, result }: Ended, nowMs: number): Change {
  const last = end(status, message, nowMs, result)
  if (status !== 'Failed') return last
  const failedAttempts = job.failedAttempts + 1
  const mayGoOn = job.terminateRequestedAtMs === null && failedAttempts < job.scriptAttempts
  const reason = `${message} (run ${failedAttempts} of at most ${job.scriptAttempts})`
  const change = mayGoOn ? sendAgain(job, reason, null, nowMs) : last
  return { ...change, job: { ...change.job, failedAttempts } }
}

function decideLost(job: Job, reason: string, rules: Rules, nowMs: number): Change {
  const lostAttempts = job.lostAttempts + 1
  if (job.terminateRequestedAtMs === null && lostAttempts >= rules.maxAttempts) {
    const why = `lost ${lostAttempts} times by clients that had taken it; last: ${reason}`
    const change = end('Failed', why, nowMs)
    return { ...change, job: { ...change.job, lostAttempts } }
  }
  const change = sendAgain(job, reason, null, nowMs)
  return { ...change, job: { ...change.job, lostAttempts } }
}

/**
 * A client that is merely away makes its jobs wait and never fail: where one more loss would be the
 * end of a job, it goes on waiting.
 */
function decideClientLost(job: Job, reason: string, rules: Rules, nowMs: number): Change[] {
  const change = decideLost(job, reason, rules, nowMs)
  return change.to === 'Failed' ? [] : [change]
}

/** Back to the queue; a job that is to be terminated ends instead, for it is never sent again. */
function sendAgain(job: Job, reason: string, retryAtMs: number | null, nowMs: number): Change {
  if (job.terminateRequestedAtMs !== null) return end('Killed', 'job terminated', nowMs)
  return {
    to: 'Queued',
    reason,
    job: { message: reason, retryAtMs },
    attempt: { endedAtMs: nowMs, outcome: reason },
  }
}

function end(to: Ending, message: string, nowMs: number, result: Result | null = null): Change {
  const reason = message === '' ? 'run.sh ended with exit code 0' : message
  return {
    to,
    reason,
    job: { message, result },
    attempt: { endedAtMs: nowMs, outcome: reason },
  }
}
