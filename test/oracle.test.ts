/** The oracle sees what is wrong, each rule by itself, and nothing where all is well. */
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { JobDetails, ServerHealth } from '../src/domain/protocol.ts'
import { Lab } from './harness/lab.ts'
import { Ledger } from './harness/ledger.ts'
import type { LedgerEntry } from './harness/ledger.ts'
import {
  checkEnding,
  checkHistory,
  checkIdentity,
  checkOverlaps,
  checkRest,
  checkResult,
  checkStarts,
  wasSilent,
} from './harness/oracle-rules.ts'
import type { Violation } from './harness/oracle-rules.ts'
import { OracleError, checkOracle } from './harness/oracle.ts'
import { Sent, send, terminate } from './harness/sent.ts'
import type { Answer } from './harness/sent.ts'
import { bytesOf, makeTask, taskKinds } from './harness/tasks.ts'
import type { TaskKind } from './harness/tasks.ts'

const at = (second: number) => new Date(second * 1000).toISOString()

/** A job that ended as all is well, in one attempt. */
const good: JobDetails = {
  id: 7,
  user: 'ada',
  service: 'example',
  status: 'Completed',
  message: '',
  createdAt: at(1),
  changedAt: at(5),
  finalAt: at(5),
  maxAttempts: 1,
  failedAttempts: 0,
  lostAttempts: 0,
  maxRuntimeSeconds: null,
  limits: {},
  terminateRequestedAt: null,
  result: { sizeBytes: 1, sha256: '0'.repeat(64) },
  attempts: [attempt(1)],
  history: ['Queued', 'Processing', 'Submitted', 'Running', 'Completed'].map((to, index, all) => ({
    at: at(1 + index),
    from: all[index - 1] ?? null,
    to,
    attempt: index === 0 ? 0 : 1,
    client: null,
    reason: '',
  })),
}

function attempt(number: number, outcome = 'it ended'): JobDetails['attempts'][number] {
  const times = { claimedAt: at(1), submittedAt: at(2), startedAt: at(3), endedAt: at(5) }
  return { number, client: 'http://client', payload: 1, ...times, outcome }
}

/** The history of the good job with one of its steps changed. */
function withStep(index: number, change: object): JobDetails {
  const history = good.history.map((entry, i) => (i === index ? { ...entry, ...change } : entry))
  return { ...good, history }
}

function upload(kind: TaskKind = 'quick'): Sent {
  const ledger = new Ledger('/ledger')
  const sent = new Sent(makeTask(ledger, 'a', kind), 'ada')
  sent.answers.push(took(good.id))
  return sent
}

function took(id: number, status = 201): Answer {
  return { status, body: { id, status: 'Queued', message: '' }, retryAfterSeconds: null }
}

function health(active: number, queued = 0): ServerHealth {
  const oldestQueuedSeconds = null
  return {
    status: 'ok',
    database: 'ok',
    lowSpace: false,
    services: [
      { name: 'example', configured: true, queued, active, oldestQueuedSeconds, clients: [] },
    ],
    unconfiguredClients: [],
  }
}

function told(what: LedgerEntry['what'], of: Partial<LedgerEntry> = {}): LedgerEntry {
  const code = what === 'end' ? 0 : null
  return { what, label: 'a', job: good.id, attempt: 1, pid: 100, atMs: 3_000, code, ...of }
}

function assertSees(violations: readonly Violation[], ...expected: readonly RegExp[]): void {
  const all = violations.map(({ what }) => what).join('\n')
  assert.equal(violations.length, expected.length, all)
  for (const one of expected) assert.match(all, one)
}

test('a job that has not ended, and a slot that is held', () => {
  assertSees(checkRest([good], health(0)))
  assertSees(checkRest([good], health(1)), /1 active and 0 queued/)
  assertSees(checkRest([{ ...good, status: 'Running' }], health(0)), /Running/)
})

test('an upload that is lost or doubled, and a job that is nobody’s', () => {
  const [one, lost, doubled, created, broken] = [0, 1, 2, 3, 4].map(() => upload())
  assert.ok(one && lost && doubled && created && broken)
  lost.answers.splice(0)
  doubled.answers.push(took(8, 200))
  created.answers.push(took(7, 201))
  broken.answers.push({ broke: 'ECONNRESET' })
  assertSees(checkIdentity([one], [7]))
  assertSees(checkIdentity([lost], []), /never taken/)
  assertSees(checkIdentity([doubled], [7, 8]), /the jobs 7, 8/)
  assertSees(checkIdentity([created], [7]), /created 2 times/)
  assertSees(checkIdentity([one, upload()], [7]), /both a and a/)
  assertSees(checkIdentity([one], []), /not in the database/)
  assertSees(checkIdentity([one], [7, 8]), /told of: 8/)
  assertSees(checkIdentity([broken], [7, 8]), /told of: 8/)
})

test('an end that is not the script’s', () => {
  const ends = (sent: Sent, job: Partial<JobDetails>, code: number | null = 0) => {
    const entries = code === null ? [] : [told('end', { code })]
    return checkEnding({ ...good, ...job }, sent, entries)
  }
  const failed = { status: 'Failed', message: 'run.sh ended with exit code 3' }
  assertSees(ends(upload(), {}))
  assertSees(ends(upload(), { status: 'Running' }))
  assertSees(ends(upload(), failed, 3), /Failed/)
  assertSees(ends(upload(), {}, 1), /ends \[1\]/)
  assertSees(ends(upload(), {}, null), /ends \[\]/)
  assertSees(ends(upload('failing'), failed, 3))
  assertSees(ends(upload('failing'), {}), /Completed/)
  assertSees(ends(upload('failing'), { ...failed, message: 'exit code 4' }, 3), /exit code 4/)
  assertSees(ends(upload(), { status: 'Killed' }), /Killed/)
  assertSees(ends(upload('endless'), { status: 'Killed' }, null), /nobody asked/)
  const ended = upload('endless')
  ended.terminations.push(took(good.id, 202))
  assertSees(ends(ended, { status: 'Killed' }, null))
  const cleaned = { status: 'Cleaned', history: withStep(4, { from: 'Failed' }).history }
  assertSees(ends(upload('failing'), { ...failed, ...cleaned }, 3))
})

test('a result with other bytes', () => {
  const sent = upload('many')
  const files = new Map([...sent.task.results()].map(([path, content]) => [path, { content }]))
  const without = (path: string) => new Map([...files].filter(([name]) => name !== path))
  const other = { content: Buffer.from('other') }
  const extra = new Map([...files, ['.orchestrator/job.json', other] as const])
  assertSees(checkResult(7, sent, extra))
  assertSees(checkResult(7, sent, without('result.txt')), /result.txt is missing/)
  assertSees(checkResult(7, sent, new Map([...files, ['out/1/1.txt', other]])), /5 bytes/)
  assertSees(checkResult(7, sent, new Map([...files, ['strange', other]])), /strange is not/)
  assert.ok(!bytesOf('a', 100).equals(bytesOf('b', 100)))
})

test('a script that starts twice, or is not known', () => {
  assertSees(checkStarts(good, upload(), [told('start'), told('end')]))
  assertSees(
    checkStarts(good, upload(), [told('start'), told('start', { pid: 101 })]),
    /processes 100, 101/,
  )
  assertSees(
    checkStarts(good, upload(), [told('start', { attempt: 2 })]),
    /attempt 2 started, and is not known/,
  )
  assertSees(
    checkStarts(good, upload(), [told('start', { label: 'b' })]),
    /script of b ran instead/,
  )
})

test('attempts that run at the same time', () => {
  const lost = { ...good, attempts: [attempt(1, 'its client was silent for 5 s'), attempt(2)] }
  const two = { ...good, attempts: [attempt(1), attempt(2)] }
  const second = told('start', { attempt: 2, atMs: 4_000 })
  const after = [told('start'), told('end', { atMs: 3_500 }), second]
  const beside = [told('start'), second, told('alive', { atMs: 4_001 })]
  const late = [second, told('start', { atMs: 5_000 })]
  assertSees(checkOverlaps(two, after, wasSilent))
  assertSees(checkOverlaps(two, beside, wasSilent), /1 was alive after attempt 2/)
  assertSees(checkOverlaps(two, late, wasSilent), /1 was alive after attempt 2/)
  assertSees(checkOverlaps(lost, beside, wasSilent))
})

test('a history that is no legal walk', () => {
  assertSees(checkHistory(good))
  assertSees(checkHistory(withStep(0, { from: 'Queued' })), /does not begin/)
  assertSees(checkHistory(withStep(2, { from: 'Queued' })), /after Processing/, /not allowed/)
  assertSees(checkHistory(withStep(3, { at: at(1) })), /before the one before/)
  assertSees(checkHistory(withStep(3, { attempt: 0 })), /goes back/)
  assertSees(checkHistory({ ...good, status: 'Failed' }), /the job is Failed/)
  assertSees(checkHistory({ ...good, attempts: [attempt(2)] }), /attempts are 2/)
  const open = { ...attempt(1), endedAt: null }
  assertSees(checkHistory({ ...good, attempts: [open] }), /has not ended/)
})

test('of jobs of every kind all is well, and what is put beside them is seen', async () => {
  await using lab = await Lab.create()
  const ledger = new Ledger(join(lab.directory, 'ledger'))
  await ledger.create()
  const { api } = await lab.pair()
  const sent = taskKinds.map((kind) => new Sent(makeTask(ledger, `real-${kind}`, kind), kind))
  for (const one of sent) await send(api, one)
  for (const one of sent) {
    if (one.task.kind === 'endless') await terminate(api, one)
  }
  const dataPath = join(lab.directory, 'server')
  const client = join(lab.directory, 'client')
  const directories = { server: { dataPath, dbPath: `${dataPath}.sqlite` }, clients: [client] }
  const oracle = { api, sent, ledger, directories }
  const { jobs, entries } = await checkOracle(oracle)
  assert.equal(jobs.length, taskKinds.length)
  assert.ok(entries.some(({ what }) => what === 'alive'))

  const left = [
    join(dataPath, 'jobs', '99'),
    join(dataPath, 'jobs', 'incoming', 'x'),
    join(dataPath, 'jobs', String(jobs[0]?.id), 'result.1.zip.part'),
    join(client, 'payloads', '5'),
    join(client, 'payloads', 'trash', 'x'),
  ]
  for (const path of left) await mkdir(path)
  await writeFile(ledger.file, `start real-quick ${jobs[0]?.id} 1 1 9999999999.5\n`, { flag: 'a' })
  await assert.rejects(checkOracle({ ...oracle, patienceMs: 100 }), (error) => {
    assert.ok(error instanceof OracleError)
    const all = new Set(error.violations.map(({ what }) => what))
    for (const path of left) assert.ok(all.has(path), `${path} is not in\n${error.message}`)
    assert.match(error.message, /attempt 1 started as processes/)
    return true
  })
})
