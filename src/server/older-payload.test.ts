/** What takes minutes with a real client: patience, and its end. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { ZipFile } from 'yazl'
import { Fault } from '../domain/errors.ts'
import { markerOf } from '../domain/marker.ts'
import { JobFiles } from '../files/job-files.ts'
import type { Log } from '../log.ts'
import { openJobStore } from '../store/sqlite/jobs.ts'
import type { OlderAnswer, OlderGateway } from './gateway.ts'
import { OlderPayload } from './older-payload.ts'

const address = { uploadUrl: 'http://c/submit', downloadUrl: '', terminateUrl: '' }
const key = '00112233445566ff-0123456789abcdeffedcba9876543210'
const killGraceMs = 1_000
const { signal } = new AbortController()

/** A job that runs as payload 7 of a client whose answers are the test's. */
async function setUp(
  context: TestContext,
  client: Partial<OlderGateway>,
  { upload = null, service }: { upload?: number | null; service?: number } = {},
) {
  const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
  context.after(() => rm(directory, { recursive: true }))
  const store = openJobStore(':memory:', { maxAttempts: 3 })
  context.after(() => store[Symbol.asyncDispose]())
  const files = new JobFiles(directory)
  await files.prepare()
  const warnings: string[] = []
  const log = {
    warn: (_fields: object, text: string) => void warnings.push(text),
  } as unknown as Log
  const gateway = client as OlderGateway
  const id = store.reserveId()
  const maxRuntimes = new Map(service === undefined ? [] : [['example', service]])
  const job = { id, userId: '1', service: 'example', isFlat: true, maxRuntimeMs: upload }
  await store.insert(job, 1)
  const workspace = files.receive()
  await workspace.add('run.sh', Readable.from([Buffer.from('true')]))
  await files.publish(workspace, id)
  await store.claim('example', { runsPerUser: 1, maxRuns: 1 }, () => ({ key, client: address }), 1)
  const receipt = { attempt: 1, payloadId: 7, instance: '2.2.3-life' }
  await store.learn(id, { is: 'started', ...receipt }, Date.now())
  const payload = new OlderPayload(id, {
    address,
    store,
    files,
    gateway,
    maxRuntimes,
    killGraceMs,
    log,
  })
  const ask = async () => {
    payload.begin(async () => {
      const active = await store.current(id)
      if (active?.job.status === 'Running') await payload.ask(active, 7, signal)
    })
    await payload.idle
    return store.find(id)
  }
  return { store, id, ask, payload, warnings }
}

function status(name: string): OlderAnswer {
  return { is: 'status', status: name, pid: 99 }
}

async function zipOf(names: readonly string[]): Promise<Readable> {
  const zip = new ZipFile()
  const { name, content } = markerOf(key)
  zip.addBuffer(Buffer.from(content), name)
  for (const one of names) zip.addBuffer(Buffer.from('x'), one)
  zip.end()
  return Readable.from([await buffer(zip.outputStream)])
}

test('what goes on running though it was killed is given up, with the files it has', async (context) => {
  let nowMs = 1_000_000
  context.mock.method(performance, 'now', () => nowMs)
  let kills = 0
  const { store, id, ask } = await setUp(context, {
    ask: async () => status('Running'),
    kill: async () => void kills++,
    partial: () => zipOf(['out']),
  })
  await ask()
  assert.equal(kills, 0)
  await store.learn(id, { is: 'terminate requested' }, 1)
  await ask()
  await ask()
  assert.equal(kills, 1, 'it is not killed again at once')
  nowMs += killGraceMs + 30_000
  assert.equal((await ask())?.status, 'Running')
  assert.equal(kills, 2)
  nowMs += 1
  const job = await ask()
  assert.equal(job?.status, 'Killed')
  assert.ok(job.result)
  assert.equal(kills, 2)
})

test('kills that do not arrive count no time against its client', async (context) => {
  let nowMs = 1_000_000
  context.mock.method(performance, 'now', () => nowMs)
  let isThere = false
  const { store, id, ask } = await setUp(context, {
    ask: async () => status('Running'),
    kill: async () => {
      if (!isThere) throw new Fault('unreachable', 'nobody there')
    },
  })
  await store.learn(id, { is: 'terminate requested' }, 1)
  await ask()
  nowMs += 600_000
  assert.equal((await ask())?.status, 'Running')
  isThere = true
  nowMs += 600_000
  assert.equal((await ask())?.status, 'Running')
})

for (const [told, expected] of [
  ['Completed', /^its result cannot be had: /],
  ['Failed', /^run\.sh failed; .* tells no exit code; its result cannot be had: /],
  ['Killed', /^job terminated; its result cannot be had: /],
] as const) {
  test(`the result of one that is ${told} is given up after many tries`, async (context) => {
    const { ask, store, id, payload, warnings } = await setUp(context, {
      ask: async () => status(told),
      partial: () => Promise.reject(new Fault('unreachable', 'it answered 500')),
    })
    for (let tries = 0; tries < 40; tries++) assert.equal((await ask())?.status, 'Running')
    assert.equal(payload.isDue(performance.now()), false, 'it backs off')
    const job = await ask()
    // One that completed may yet do so elsewhere.
    assert.equal(job?.status, told === 'Completed' ? 'Queued' : told)
    assert.match(job?.message ?? '', expected)
    assert.equal(job?.lostAttempts, told === 'Completed' ? 1 : 0)
    assert.equal(warnings.length, 1)
    assert.equal((await store.attempts(id)).length, 1)
  })
}

test('what its client has cleaned is lost', async (context) => {
  const { ask } = await setUp(context, { ask: async () => status('Cleaned') })
  const job = await ask()
  assert.equal(job?.status, 'Queued')
  assert.match(job.message, /removed its files already/)
})

test('a status that nobody knows changes nothing', async (context) => {
  const { ask, warnings } = await setUp(context, { ask: async () => status('Unknown') })
  assert.equal((await ask())?.status, 'Running')
  assert.deepEqual(warnings, [])
})

test('what an attempt was told does not count for the next one', async (context) => {
  let answer = status('Running')
  const { store, id, payload, ask } = await setUp(context, {
    ask: async () => answer,
    kill: async () => {},
    partial: () => zipOf(['out']),
  })
  await ask()
  const lost = { is: 'lost', attempt: 1, reason: 'gone' } as const
  await store.learn(id, lost, 1)
  const second = key.replace(/.$/, '1')
  await store.claim(
    'example',
    { runsPerUser: 1, maxRuns: 1 },
    () => ({ key: second, client: address }),
    1,
  )
  await store.learn(id, { is: 'started', attempt: 2, payloadId: 7, instance: '2.2.3-x' }, 1)
  answer = { is: 'status', status: 'Running', pid: 100 }
  const active = await store.current(id)
  assert.ok(active)
  assert.equal(await payload.ask(active, 7, signal), true)
  answer = { is: 'status', status: 'Running', pid: 0 }
  assert.equal(await payload.ask(active, 7, signal), false, 'a payload keeps its process')
})

for (const [whose, limits, expected] of [
  ['service', { service: 60_000 }, /longer than 1 min, the most that its service allows$/],
  ['upload', { upload: 60_000, service: 60_001 }, /longer than 1 min, the max_runtime of its up/],
] as const) {
  test(`what runs for longer than its ${whose} allows is killed, and has failed`, async (context) => {
    let nowMs = 1_000_000
    context.mock.method(performance, 'now', () => nowMs)
    context.mock.method(Date, 'now', () => 1_700_000_000_000)
    let answer = status('Running')
    let kills = 0
    const client: Partial<OlderGateway> = {
      ask: async () => answer,
      kill: async () => void kills++,
      partial: () => zipOf(['out']),
    }
    const { ask } = await setUp(context, client, limits)
    await ask()
    nowMs += 59_999
    await ask()
    assert.equal(kills, 0)
    nowMs += 1
    await ask()
    assert.equal(kills, 1)
    answer = status('Killed')
    const job = await ask()
    assert.equal(job?.status, 'Failed')
    assert.match(job.message, expected)
  })
}

test('how long it ran before this process began counts, and being terminated comes first', async (context) => {
  let wallMs = 1_700_000_000_000
  const nowMs = performance.now()
  context.mock.method(Date, 'now', () => wallMs)
  context.mock.method(performance, 'now', () => nowMs)
  let kills = 0
  let answer = status('Running')
  const client: Partial<OlderGateway> = {
    ask: async () => answer,
    kill: async () => void kills++,
    partial: () => zipOf(['out']),
  }
  const { ask, store, id } = await setUp(context, client, { service: 60_000 })
  wallMs += 60_000
  await ask()
  assert.equal(kills, 1)
  await store.learn(id, { is: 'terminate requested' }, 1)
  answer = status('Killed')
  const job = await ask()
  assert.deepEqual([job?.status, job?.message], ['Killed', 'job terminated'])
})
