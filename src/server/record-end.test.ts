import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Ending } from '../domain/job.ts'
import { JobFiles } from '../files/job-files.ts'
import type { Log } from '../log.ts'
import { openJobStore } from '../store/sqlite/jobs.ts'
import { recordEnd } from './record-end.ts'

const client = { uploadUrl: 'http://c/submit', downloadUrl: '', terminateUrl: '' }
const result = { sizeBytes: 1, sha256: 'a'.repeat(64) }

/** A job that may fail twice, with files of results that its attempts left. */
async function setUp(context: TestContext, names: readonly string[]) {
  const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
  const store = openJobStore(':memory:', { maxAttempts: 3 })
  context.after(async () => {
    await store[Symbol.asyncDispose]()
    await rm(directory, { recursive: true })
  })
  const files = new JobFiles(directory)
  const id = store.reserveId()
  const asked = { userId: '1', service: 'example', isFlat: true, scriptAttempts: 3 }
  await store.insert({ id, ...asked }, 1)
  const root = join(directory, 'jobs', String(id))
  await mkdir(join(root, 'input'), { recursive: true })
  for (const name of names) await writeFile(join(root, name), 'x')
  let keys = 0
  const claim = async () => {
    const quota = { runsPerUser: 5, maxRuns: 5 }
    const active = await store.claim('example', quota, () => ({ key: `${keys++}`, client }), 1)
    return active?.attempt.number ?? 0
  }
  const warnings: string[] = []
  const log = { warn: (_fields: object, text: string) => void warnings.push(text) }
  const end = (attempt: number, status: Ending) => {
    const fact = { is: 'ended', attempt, status, message: 'exit code 1', result } as const
    return recordEnd({ store, files, log: log as unknown as Log }, id, fact)
  }
  const left = async () => (await readdir(root)).toSorted()
  return { store, id, root, claim, end, left, warnings }
}

test('the result of a failed run goes when the job is run again, and the last one stays', async (context) => {
  const job = await setUp(context, ['result.1.zip'])
  await job.end(await job.claim(), 'Failed')
  assert.deepEqual(await job.left(), ['input'])
  // As after a crash that came between the commit and the removal.
  const leftovers = ['result.1.zip', 'result.1.zip.part', 'result.2.zip', 'result.11.zip']
  for (const name of leftovers) await writeFile(join(job.root, name), 'x')
  await job.end(await job.claim(), 'Completed')
  assert.equal((await job.store.find(job.id))?.status, 'Completed')
  assert.deepEqual(await job.left(), ['input', 'result.11.zip', 'result.2.zip'])
  await job.end(2, 'Completed')
  assert.deepEqual(await job.left(), ['input', 'result.11.zip', 'result.2.zip'], 'said twice')
})

test('what comes of an attempt that is over is not kept', async (context) => {
  const job = await setUp(context, ['result.1.zip', 'result.2.zip'])
  const first = await job.claim()
  await job.store.learn(job.id, { is: 'accepted', attempt: 1, payloadId: 1, instance: 'i' }, 1)
  await job.store.learn(job.id, { is: 'lost', attempt: 1, reason: 'gone' }, 1)
  await job.claim()
  await job.end(first, 'Completed')
  assert.equal((await job.store.find(job.id))?.status, 'Processing')
  assert.deepEqual(await job.left(), ['input', 'result.2.zip'])
})

test('a result that cannot be removed does not keep the job from its end', async (context) => {
  const job = await setUp(context, [])
  await job.claim()
  await job.store.learn(job.id, { is: 'undelivered', attempt: 1, reason: 'x', retryAtMs: null }, 1)
  const attempt = await job.claim()
  await mkdir(join(job.root, 'result.1.zip'))
  await job.end(attempt, 'Completed')
  assert.equal((await job.store.find(job.id))?.status, 'Completed')
  assert.match(job.warnings.join(), /an old result of job 1 cannot be removed/)
})
