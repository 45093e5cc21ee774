import assert from 'node:assert/strict'
import { test } from 'node:test'
import { timeLimitReason } from './max-runtime.ts'
import {
  judge,
  payloadEnded,
  payloadMayBecome,
  payloadStatuses,
  serverOf,
  signalOf,
} from './payload.ts'

test('a payload waits, runs or has ended, and an end is for ever', () => {
  assert.deepEqual(payloadStatuses.filter(payloadEnded), [
    'Completed',
    'Failed',
    'Invalid',
    'Killed',
  ])
  for (const from of payloadStatuses.filter(payloadEnded)) {
    assert.ok(payloadStatuses.every((to) => !payloadMayBecome(from, to)))
  }
})

test('only a payload that ran may complete', () => {
  assert.equal(payloadMayBecome('Prepared', 'Completed'), false)
  assert.equal(payloadMayBecome('Prepared', 'Running'), true)
  assert.equal(payloadMayBecome('Running', 'Completed'), true)
})

function exit(exitCode: number | null): ReturnType<typeof judge> {
  return judge({ exitCode, killReason: null, cpuSeconds: 0 })
}

test('how a script ended decides what its payload is', () => {
  assert.deepEqual(exit(0), { status: 'Completed', message: '' })
  assert.deepEqual(exit(3), { status: 'Failed', message: 'run.sh ended with exit code 3' })
  assert.deepEqual(exit(137), {
    status: 'Failed',
    message: 'run.sh was ended by SIGKILL (exit code 137)',
  })
  assert.deepEqual(exit(200), { status: 'Failed', message: 'run.sh ended with exit code 200' })
  assert.deepEqual(exit(null), { status: 'Failed', message: 'run.sh could not be started' })
  const trouble = judge({ exitCode: null, killReason: null, cpuSeconds: null, trouble: 'no room' })
  assert.equal(trouble.message, 'run.sh could not be started: no room')
})

test('a script that the kill reached is killed, whatever it made of it', () => {
  for (const exitCode of [0, 1, 143, null]) {
    const { status, message } = judge({ exitCode, killReason: 'job terminated', cpuSeconds: 0 })
    assert.deepEqual([status, message], ['Killed', 'job terminated'])
  }
})

test('signals are named where an exit code of bash stands for one', () => {
  assert.deepEqual([128, 129, 143, 128 + 64, 0].map(signalOf), [
    undefined,
    'SIGHUP',
    'SIGTERM',
    undefined,
    undefined,
  ])
})

test('what is ended by its time limit has failed', () => {
  const killReason = timeLimitReason({ maxRuntimeMs: 90_000, maxRuntimeOf: 'service' })
  const ended = {
    status: 'Failed',
    message:
      'run.sh was ended by its time limit: it ran for longer than 90 s, the most that its service allows',
  }
  for (const exitCode of [0, 143, null]) {
    assert.deepEqual(judge({ exitCode, killReason, cpuSeconds: 1 }), ended)
  }
})

test('what ended by our signals after an earlier process was to end it was ended by that', () => {
  const judged = [143, 137, 0, 1, 139].map(
    (exitCode) => judge({ exitCode, killReason: null, cpuSeconds: 1 }, 'job terminated').status,
  )
  assert.deepEqual(judged, ['Killed', 'Killed', 'Completed', 'Failed', 'Failed'])
})

test('a key names its server', () => {
  assert.equal(serverOf(`0123456789abcdef-${'0'.repeat(32)}`), '0123456789abcdef')
})

test('a limit that ended a script is its end, and one that it met is told where it failed', () => {
  const limits = {
    cpuTimeMs: { most: 2_000, of: 'client', by: 'rlimit' },
    processes: { most: 9, of: 'upload', by: 'cgroup v2' },
  } as const
  const hits = { processes: 1 }
  const usage = { peakMemoryBytes: 1, bytesWritten: 1, limits, hits, endedBy: 'cgroup v2' } as const
  const judged = (exitCode: number) =>
    judge({ exitCode, killReason: null, cpuSeconds: 1, usage }).message
  assert.match(judged(128 + 24), /^run\.sh was ended by its CPU time limit of 2 s/)
  assert.match(judged(3), /^run\.sh ended with exit code 3; it reached its limit of processes of 9/)
})

test('why a script could not be started is told, where it is known', () => {
  const notRun = { exitCode: null, killReason: null, cpuSeconds: null }
  assert.equal(judge(notRun).message, 'run.sh could not be started')
  const { message } = judge({ ...notRun, trouble: 'its sandbox could not be made' })
  assert.equal(message, 'run.sh could not be started: its sandbox could not be made')
})
