/** Ages and jumps by clocks that the test sets; the store and the files are real. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { pino } from 'pino'
import { JobFiles } from '../files/job-files.ts'
import { Reserve } from '../files/reserve.ts'
import { openJobStore } from '../store/sqlite/jobs.ts'
import { Cleaner } from './cleaner.ts'

const hour = 3_600_000
const day = 24 * hour
const maxAgeMs = 10 * day
const began = 1_800_000_000_000
const forever = new AbortController().signal

const root = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
after(() => rm(root, { recursive: true }))

/** A server's store and files, a clock to set, and the warnings that were given. */
async function setUp(lastSeenMs: number | null = null) {
  const dataPath = await mkdtemp(join(root, 'data-'))
  const files = new JobFiles(dataPath)
  await files.prepare()
  const store = openJobStore(':memory:', { maxAttempts: 3 })
  const clock = { wallMs: began, monotonicMs: 5 }
  const warnings: string[] = []
  const stream = {
    write: (line: string) => void warnings.push((JSON.parse(line) as { msg: string }).msg),
  }
  const log = pino({ level: 'warn' }, stream)
  const readClocks = () => ({ ...clock })
  const reserve = new Reserve(join(dataPath, 'reserve'))
  const cleaner = new Cleaner({ store, files, reserve, log, maxAgeMs, lastSeenMs, readClocks })
  return {
    store,
    files,
    warnings,
    cleaner,
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    /** Both clocks go on. */
    pass(ms: number) {
      clock.wallMs += ms
      clock.monotonicMs += ms
    },
    jump(ms: number) {
      clock.wallMs += ms
    },
    /** A job that becomes final now. */
    async endJob(): Promise<number> {
      const id = await this.queueJob()
      await store.learn(id, { is: 'terminate requested' }, clock.wallMs)
      return id
    },
    async queueJob(): Promise<number> {
      const id = store.reserveId()
      await mkdir(files.inputDirectory(id), { recursive: true })
      await writeFile(join(files.inputDirectory(id), 'run.sh'), 'true')
      await store.insert({ id, userId: 'ada', service: 'example', isFlat: true }, clock.wallMs)
      return id
    },
    clean: () => cleaner.clean(forever),
    async statuses(): Promise<(string | undefined)[]> {
      const ids = Array.from({ length: store.highestId }, (_, index) => index + 1)
      return Promise.all(ids.map(async (id) => (await store.find(id))?.status))
    },
    /** Ids of jobs that have a directory. */
    async onDisk(): Promise<string[]> {
      const names = await readdir(join(dataPath, 'jobs'))
      return names.filter((name) => /^\d+$/.test(name)).toSorted((a, b) => Number(a) - Number(b))
    },
  }
}

test('a job is cleaned MAX_AGE after its end, and looked for just then', async () => {
  await using t = await setUp()
  assert.equal(await t.clean(), 10_000, 'for the clock to settle')
  t.pass(day)
  assert.equal(await t.clean(), hour, 'the clocks are looked at hourly')
  const queued = await t.queueJob()
  await t.endJob()
  t.pass(day)
  await t.clean()
  await t.endJob()
  t.pass(maxAgeMs - day - 1000)
  assert.equal(await t.clean(), 1000)
  assert.deepEqual(await t.statuses(), ['Queued', 'Killed', 'Killed'])
  t.pass(1001)
  assert.equal(await t.clean(), hour)
  assert.deepEqual(await t.statuses(), ['Queued', 'Cleaned', 'Killed'])
  assert.deepEqual(await t.onDisk(), [String(queued), '3'])
  t.pass(100 * day)
  await t.clean()
  assert.deepEqual(await t.statuses(), ['Queued', 'Cleaned', 'Cleaned'])
  assert.deepEqual(await t.onDisk(), [String(queued)])
  assert.deepEqual(t.warnings, [])
})

test('it is the end that counts, not the beginning', async () => {
  await using t = await setUp()
  const id = await t.queueJob()
  t.pass(100 * day)
  await t.store.learn(id, { is: 'terminate requested' }, began + 100 * day)
  t.pass(maxAgeMs - 1)
  await t.clean()
  assert.deepEqual(await t.statuses(), ['Killed'])
})

test('more than a batch is cleaned in one go', async () => {
  await using t = await setUp()
  for (let jobs = 0; jobs < 120; jobs++) await t.endJob()
  t.pass(maxAgeMs + 1)
  await t.clean()
  assert.deepEqual(new Set(await t.statuses()), new Set(['Cleaned']))
  assert.deepEqual(await t.onDisk(), [])
})

test('nothing is cleaned while the clock jumps, and that is said once', async () => {
  for (const jump of [365 * day, -365 * day]) {
    await using t = await setUp()
    t.pass(hour)
    await t.clean()
    await t.endJob()
    t.jump(jump)
    assert.equal(await t.clean(), hour)
    assert.match(t.warnings.join(), /^the clock has jumped \w+ by 365 d: nothing is cleaned until/)
    t.pass(hour / 2)
    assert.equal(await t.clean(), hour / 2)
    assert.deepEqual(await t.statuses(), ['Killed'])
    // It is set right again: another jump, and another rest.
    t.jump(-jump)
    assert.equal(await t.clean(), hour)
    t.pass(hour)
    await t.clean()
    assert.equal(t.warnings.length, 2)
    assert.deepEqual(await t.statuses(), ['Killed'])
    t.pass(maxAgeMs)
    await t.clean()
    assert.deepEqual(await t.statuses(), ['Cleaned'])
  }
})

test('after the rest it goes on', async () => {
  await using t = await setUp()
  await t.endJob()
  t.pass(hour)
  t.jump(365 * day)
  await t.clean()
  t.pass(hour)
  await t.clean()
  assert.deepEqual(await t.statuses(), ['Cleaned'])
  assert.equal(t.warnings.length, 1)
})

test('a clock that was set back while no process was there is seen, too', async () => {
  await using t = await setUp(began + day)
  assert.equal(await t.clean(), hour)
  assert.match(t.warnings.join(), /jumped back by 1 d/)
})

test('it stops between two jobs, and what is left is for the next start', async () => {
  await using t = await setUp()
  for (let jobs = 0; jobs < 3; jobs++) await t.endJob()
  t.pass(maxAgeMs + 1)
  const stopping = new AbortController()
  t.store.onChange(() => stopping.abort())
  await t.cleaner.clean(stopping.signal)
  assert.deepEqual(await t.statuses(), ['Cleaned', 'Cleaned', 'Cleaned'])
  assert.deepEqual(await t.onDisk(), ['1', '2', '3'])
  const { jobs } = await t.files.removeLeftovers((ids) => t.store.withoutFiles(ids))
  assert.equal(jobs.removed, 3)
  assert.deepEqual(await t.onDisk(), [])
})
