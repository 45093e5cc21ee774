/** Ages and silence by clocks that the test sets; the table, the memory and the files are real. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { pino } from 'pino'
import { PayloadFiles } from '../files/payload-files.ts'
import { openClientMemory } from '../store/sqlite/client-memory.ts'
import { openPayloadStore } from '../store/sqlite/payloads.ts'
import { Cleaner } from './cleaner.ts'
import { Contacts } from './contacts.ts'
import { Drain } from './drain.ts'
import { SmallResults } from './small-results.ts'

const hour = 3_600_000
const day = 24 * hour
const maxAgeMs = 10 * day
const forever = new AbortController().signal
const result = { sizeBytes: 1, sha256: 'a'.repeat(64) }
const server = '0123456789abcdef'
const other = 'fedcba9876543210'

const root = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
after(() => rm(root, { recursive: true }))

const keyOf = (id: number, serverId: string) => `${serverId}-${String(id).padStart(32, '0')}`

/** A client's table, memory and files, and clocks to set. */
async function setUp() {
  const dataPath = await mkdtemp(join(root, 'data-'))
  const files = new PayloadFiles(dataPath)
  await files.prepare()
  const store = openPayloadStore()
  const memory = openClientMemory(':memory:')
  const clock = { wallMs: 1_800_000_000_000, monotonicMs: 5 }
  const warnings: string[] = []
  const stream = {
    write: (line: string) => void warnings.push((JSON.parse(line) as { msg: string }).msg),
  }
  const log = pino({ level: 'warn' }, stream)
  const contacts = new Contacts(() => clock.monotonicMs)
  const readClocks = () => ({ ...clock })
  const drain = new Drain(store, log, () => {})
  const smallResults = new SmallResults(files, log)
  const kept = { store, memory, smallResults, files }
  const context = { ...kept, contacts, drain, log, maxAgeMs, readClocks }
  const cleaner = new Cleaner(context)
  return {
    store,
    memory,
    contacts,
    warnings,
    [Symbol.dispose]() {
      store[Symbol.dispose]()
      memory[Symbol.dispose]()
    },
    pass(ms: number) {
      clock.wallMs += ms
      clock.monotonicMs += ms
    },
    jump(ms: number) {
      clock.wallMs += ms
    },
    async add(id: number, serverId: string | null): Promise<void> {
      await mkdir(files.paths(id).work, { recursive: true })
      const origin = serverId && {
        key: keyOf(id, serverId),
        jobId: id,
        userId: 'ada',
        service: 'example',
        attempt: 1,
      }
      store.insert({ id, origin: origin || null, receivedAtMs: clock.wallMs })
    },
    end(id: number): void {
      store.change(id, 'Prepared', 'Running', {})
      store.change(id, 'Running', 'Completed', { endedAtMs: clock.wallMs, result })
    },
    clean: () => cleaner.clean(forever),
    /** Ids of payloads that are in the table, and the same on disk. */
    async left(): Promise<number[]> {
      const onDisk = await files.ids()
      assert.deepEqual(
        onDisk,
        onDisk.filter((id) => store.find(id)),
      )
      await files[Symbol.asyncDispose]()
      assert.deepEqual(await readdir(join(dataPath, 'payloads', 'trash')), [])
      return onDisk
    },
  }
}

test('a payload without a key goes MAX_AGE after its end, and is looked for just then', async () => {
  using t = await setUp()
  await t.add(1, null)
  await t.add(2, null)
  t.pass(100 * day)
  assert.equal(await t.clean(), hour)
  assert.deepEqual(await t.left(), [1, 2], 'what waits or runs has no age')
  t.end(1)
  t.pass(maxAgeMs - 1000)
  assert.equal(await t.clean(), 1000)
  t.end(2)
  t.pass(1001)
  await t.clean()
  assert.deepEqual(await t.left(), [2])
})

test('a payload with a key stays until its server is silent for MAX_AGE, too', async () => {
  using t = await setUp()
  await t.add(1, server)
  await t.add(2, other)
  t.end(1)
  t.end(2)
  t.pass(maxAgeMs - 1000)
  t.contacts.touch(server)
  assert.equal(await t.clean(), 1000)
  t.pass(1001)
  await t.clean()
  assert.deepEqual(await t.left(), [1], 'the other has never been in touch')
  assert.ok(t.memory.isRefused(keyOf(2, other)))
  assert.ok(!t.memory.isRefused(keyOf(1, server)))
  t.pass(maxAgeMs - 2001)
  assert.equal(await t.clean(), 1000)
  assert.deepEqual(await t.left(), [1])
  t.pass(1001)
  await t.clean()
  assert.deepEqual(await t.left(), [])
  assert.ok(t.memory.isRefused(keyOf(1, server)))
})

test('a server that listens is in touch all the time', async () => {
  using t = await setUp()
  await t.add(1, server)
  t.end(1)
  const leave = t.contacts.begin(server)
  t.pass(100 * day)
  await t.clean()
  assert.deepEqual(await t.left(), [1])
  leave()
  t.pass(maxAgeMs + 1)
  await t.clean()
  assert.deepEqual(await t.left(), [])
})

test('a server that comes back while its payloads are removed finds the rest', async () => {
  using t = await setUp()
  for (const id of [1, 2, 3]) await t.add(id, server)
  for (const id of [1, 2, 3]) t.end(id)
  t.pass(maxAgeMs + 1)
  const cleaning = t.clean()
  t.contacts.touch(server) // the first one is on its way out already
  await cleaning
  assert.deepEqual(await t.left(), [2, 3])
  assert.ok(!t.memory.isRefused(keyOf(2, server)))
})

test('a payload that has just ended stays, however long its server was silent', async () => {
  using t = await setUp()
  await t.add(1, server)
  t.pass(100 * day)
  t.end(1)
  assert.equal(await t.clean(), hour)
  assert.deepEqual(await t.left(), [1])
  t.pass(maxAgeMs + 1)
  await t.clean()
  assert.deepEqual(await t.left(), [])
})

test('what waits or runs is never removed', async () => {
  using t = await setUp()
  await t.add(1, server)
  await t.add(2, server)
  t.store.change(2, 'Prepared', 'Running', {})
  t.pass(100 * day)
  await t.clean()
  assert.deepEqual(await t.left(), [1, 2])
})

test('more than a batch of each server is removed in one go', async () => {
  using t = await setUp()
  for (let id = 1; id <= 130; id++) {
    await t.add(id, id % 2 === 0 ? server : null)
    t.end(id)
  }
  t.pass(maxAgeMs + 1)
  await t.clean()
  assert.deepEqual(await t.left(), [])
})

test('nothing is removed while the clock jumps, and that is said once', async () => {
  using t = await setUp()
  t.pass(hour)
  await t.clean()
  await t.add(1, null)
  t.end(1)
  t.jump(365 * day)
  assert.equal(await t.clean(), hour)
  t.pass(hour / 2)
  await t.clean()
  assert.deepEqual(await t.left(), [1])
  assert.equal(t.warnings.length, 1)
  assert.match(t.warnings.join(), /^the clock has jumped forward by 365 d: nothing is cleaned/)
  t.pass(hour / 2)
  await t.clean()
  assert.deepEqual(await t.left(), [])
})

test('refused keys are forgotten after 30 days, if the clock can be trusted', async () => {
  using t = await setUp()
  t.pass(hour)
  await t.clean()
  const key = keyOf(1, server)
  t.memory.refuse(key, 1_800_000_000_000)
  t.jump(31 * day)
  await t.clean()
  assert.ok(t.memory.isRefused(key))
  t.jump(-31 * day)
  await t.clean()
  t.pass(31 * day)
  await t.clean()
  assert.ok(!t.memory.isRefused(key))
})
