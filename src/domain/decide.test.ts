import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decide } from './decide.ts'
import type { Fact } from './decide.ts'
import { isFinal, jobStatuses, mayBecome } from './job.ts'
import type { Job, JobStatus } from './job.ts'

const rules = { maxAttempts: 3 }
const now = 1_000
const result = { sizeBytes: 10, sha256: 'a'.repeat(64) }

function job(status: JobStatus, changes: Partial<Job> = {}): Job {
  return {
    id: 1,
    userId: 'ada',
    service: 'example',
    status,
    message: '',
    attempt: status === 'Queued' ? 0 : 1,
    lostAttempts: 0,
    scriptAttempts: 1,
    failedAttempts: 0,
    maxRuntimeMs: null,
    limits: {},
    createdAtMs: 1,
    changedAtMs: 2,
    finalAtMs: isFinal(status) ? 3 : null,
    terminateRequestedAtMs: null,
    retryAtMs: null,
    isFlat: true,
    result: status === 'Completed' ? result : null,
    ...changes,
  }
}

const receipt = { payloadId: 7, instance: 'i' }
const facts: readonly Fact[] = [
  { is: 'accepted', attempt: 1, ...receipt },
  { is: 'started', attempt: 1, ...receipt },
  { is: 'undelivered', attempt: 1, reason: 'no slot', retryAtMs: null },
  { is: 'refused', attempt: 1, reason: 'too large' },
  { is: 'ended', attempt: 1, status: 'Completed', message: '', result },
  { is: 'ended', attempt: 1, status: 'Killed', message: 'job terminated', result },
  { is: 'lost', attempt: 1, reason: 'gone' },
  { is: 'broken', attempt: 1, reason: 'files are gone' },
  { is: 'unanswered', attempt: 1, reason: 'no answer' },
  { is: 'client lost', attempt: 1, reason: 'silent for 5 min' },
  { is: 'terminate requested' },
  { is: 'aged', maxAgeMs: 900 },
]

/** The statuses that a fact leads through. */
function walk(before: Job, fact: Fact): JobStatus[] {
  return decide(before, fact, rules, now).map(({ to }) => to)
}

test('what each fact leads to, in every status', () => {
  const no: JobStatus[] = []
  const expected: Partial<Record<JobStatus, JobStatus[][]>> = {
    Queued: [no, no, no, no, no, no, no, no, no, no, ['Killed'], no],
    Processing: [
      ['Submitted'],
      ['Submitted', 'Running'],
      ['Queued'],
      ['Invalid'],
      ['Submitted', 'Completed'],
      ['Submitted', 'Killed'],
      no,
      ['Failed'],
      ['Queued'],
      ['Queued'],
      ['Processing'],
      no,
    ],
    Submitted: [
      no,
      ['Running'],
      no,
      no,
      ['Completed'],
      ['Killed'],
      ['Queued'],
      no,
      no,
      ['Queued'],
      ['Submitted'],
      no,
    ],
    Running: [
      no,
      no,
      no,
      no,
      ['Completed'],
      ['Killed'],
      ['Queued'],
      no,
      no,
      ['Queued'],
      ['Running'],
      no,
    ],
  }
  for (const status of jobStatuses.filter((one) => !isFinal(one))) {
    const walks = facts.map((fact) => walk(job(status), fact))
    assert.deepEqual(walks, expected[status], status)
  }
  for (const status of jobStatuses.filter(isFinal)) {
    assert.deepEqual(
      facts.flatMap((fact) => walk(job(status), fact)),
      status === 'Cleaned' ? [] : ['Cleaned'],
      `${status} is final, and gets old`,
    )
  }
})

test('every step that is decided is a legal one, whatever marks the job has', () => {
  const marks: Partial<Job>[] = [{}, { terminateRequestedAtMs: 5 }, { lostAttempts: 2, attempt: 1 }]
  for (const status of jobStatuses) {
    for (const mark of marks) {
      for (const fact of facts) {
        let at = status
        for (const { to } of decide(job(status, mark), fact, rules, now)) {
          assert.ok(to === at || mayBecome(at, to), `${status}: ${at} > ${to} by ${fact.is}`)
          at = to
        }
      }
    }
  }
})

test('what comes from another attempt changes nothing', () => {
  for (const fact of facts.filter((one) => 'attempt' in one)) {
    for (const status of ['Processing', 'Submitted', 'Running'] as const) {
      assert.deepEqual(walk(job(status, { attempt: 2 }), fact), [], `${fact.is} in ${status}`)
    }
  }
})

test('a marked job is never sent again', () => {
  const marked = { terminateRequestedAtMs: 5 }
  const undelivered: Fact = { is: 'undelivered', attempt: 1, reason: 'no slot', retryAtMs: 9 }
  const lost: Fact = { is: 'lost', attempt: 1, reason: 'gone' }
  assert.deepEqual(walk(job('Processing', marked), undelivered), ['Killed'])
  assert.deepEqual(walk(job('Running', marked), lost), ['Killed'])
  assert.deepEqual(walk(job('Running', { ...marked, lostAttempts: 2 }), lost), ['Killed'])
})

test('terminate is a mark, and a second one changes nothing', () => {
  const [change] = decide(job('Running'), { is: 'terminate requested' }, rules, now)
  assert.equal(change?.job?.terminateRequestedAtMs, now)
  assert.deepEqual(
    walk(job('Running', { terminateRequestedAtMs: 5 }), { is: 'terminate requested' }),
    [],
  )
})

test('an attempt that was not delivered counts nothing, and may back off', () => {
  const fact: Fact = { is: 'undelivered', attempt: 1, reason: 'no slot', retryAtMs: 9 }
  const [change] = decide(job('Processing', { lostAttempts: 2 }), fact, rules, now)
  assert.deepEqual(change?.job, { message: 'no slot', retryAtMs: 9 })
  assert.deepEqual(change?.attempt, { endedAtMs: now, outcome: 'no slot' })
})

test('so many lost attempts fail the job, with the reason', () => {
  const lost: Fact = { is: 'lost', attempt: 1, reason: 'its machine restarted' }
  const [second] = decide(job('Running', { lostAttempts: 1 }), lost, rules, now)
  assert.equal(second?.to, 'Queued')
  assert.equal(second?.job?.lostAttempts, 2)
  const [third] = decide(job('Running', { lostAttempts: 2 }), lost, rules, now)
  assert.equal(third?.to, 'Failed')
  assert.equal(third?.job?.lostAttempts, 3)
  assert.match(third?.job?.message ?? '', /lost 3 times .* its machine restarted/)
  const unanswered: Fact = { is: 'unanswered', attempt: 1, reason: 'no answer' }
  const [last] = decide(job('Processing', { lostAttempts: 2 }), unanswered, rules, now)
  assert.equal(last?.to, 'Failed')
})

test('a job whose client is lost goes to another one, and does not fail for it', () => {
  const silent: Fact = { is: 'client lost', attempt: 1, reason: 'silent for 5 min' }
  const [change] = decide(job('Running', { lostAttempts: 1 }), silent, rules, now)
  assert.deepEqual([change?.to, change?.job?.lostAttempts], ['Queued', 2])
  assert.deepEqual(walk(job('Running', { lostAttempts: 2 }), silent), [], 'it waits')
  const marked = { lostAttempts: 2, terminateRequestedAtMs: 5 }
  assert.deepEqual(walk(job('Running', marked), silent), ['Killed'])
  assert.deepEqual(walk(job('Processing', marked), silent), ['Killed'])
})

test('an end keeps its message and its result', () => {
  const failed: Fact = { is: 'ended', attempt: 1, status: 'Failed', message: 'exit code 3', result }
  const [change] = decide(job('Running'), failed, rules, now)
  assert.deepEqual(change, {
    to: 'Failed',
    reason: 'exit code 3',
    job: { message: 'exit code 3', result, failedAttempts: 1 },
    attempt: { endedAtMs: now, outcome: 'exit code 3' },
  })
})

test('a script that fails is run again as often as was asked for, and no more', () => {
  const failed: Fact = { is: 'ended', attempt: 1, status: 'Failed', message: 'exit code 3', result }
  const wish = { scriptAttempts: 3 }
  const [again] = decide(job('Running', wish), failed, rules, now)
  const reason = 'exit code 3 (run 1 of at most 3)'
  assert.deepEqual(again, {
    to: 'Queued',
    reason,
    job: { message: reason, retryAtMs: null, failedAttempts: 1 },
    attempt: { endedAtMs: now, outcome: reason },
  })
  assert.deepEqual(walk(job('Processing', wish), failed), ['Submitted', 'Queued'])
  const lostOften = { ...wish, failedAttempts: 1, lostAttempts: 2 }
  assert.deepEqual(walk(job('Running', lostOften), failed), ['Queued'], 'losses are counted apart')
  const [last] = decide(job('Running', { ...wish, failedAttempts: 2 }), failed, rules, now)
  assert.deepEqual([last?.to, last?.job?.failedAttempts], ['Failed', 3])
  assert.deepEqual(last?.job?.result, result)
  const marked = { ...wish, terminateRequestedAtMs: 5 }
  assert.deepEqual(walk(job('Running', marked), failed), ['Failed'])
  assert.deepEqual(walk(job('Running', wish), { ...failed, status: 'Killed' }), ['Killed'])
})

test('a final job is cleaned when it is old enough, and not before', () => {
  const aged: Fact = { is: 'aged', maxAgeMs: 900 }
  assert.deepEqual(walk(job('Completed', { finalAtMs: 101 }), aged), [])
  const [change] = decide(job('Completed', { finalAtMs: 100 }), aged, rules, now)
  assert.deepEqual(change, {
    to: 'Cleaned',
    reason: `it ended 900 ms ago; its result had 10 bytes, SHA-256 ${result.sha256}`,
    job: { message: 'it was Completed; its files were removed after 900 ms', result: null },
  })
})

test('how it ended stays in the message of a cleaned job', () => {
  const killed = job('Killed', { message: 'job terminated' })
  const [change] = decide(killed, { is: 'aged', maxAgeMs: 10 }, rules, now)
  assert.equal(change?.reason, 'it ended 997 ms ago')
  const { message } = change?.job ?? {}
  assert.equal(message, 'it was Killed (job terminated); its files were removed after 10 ms')
})

test('a job whose files are missing fails, or is cleaned if it had ended', () => {
  const missing: Fact = { is: 'files missing', reason: 'its files were nowhere' }
  const message = missing.reason
  assert.deepEqual(decide(job('Queued', { attempt: 1 }), missing, rules, now), [
    { to: 'Failed', reason: message, job: { message } },
  ])
  for (const status of ['Processing', 'Submitted', 'Running'] as const) {
    assert.deepEqual(decide(job(status, { terminateRequestedAtMs: 5 }), missing, rules, now), [
      {
        to: 'Failed',
        reason: message,
        job: { message, result: null },
        attempt: { endedAtMs: now, outcome: message },
      },
    ])
  }
  assert.deepEqual(decide(job('Completed'), missing, rules, now), [
    {
      to: 'Cleaned',
      reason: `${message}; its result had 10 bytes, SHA-256 ${result.sha256}`,
      job: { message: `it was Completed; ${message}`, result: null },
    },
  ])
  assert.deepEqual(walk(job('Failed'), missing), ['Cleaned'])
  assert.deepEqual(walk(job('Cleaned'), missing), [])
})
