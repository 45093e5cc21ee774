import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import type { JobStore } from '../jobs.ts'
import { tokenSuite } from '../tokens.suite.ts'
import { openDatabase } from './database.ts'
import { openJobStore } from './jobs.ts'
import { openTokenStore } from './tokens.ts'

const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
after(() => rm(directory, { recursive: true }))

tokenSuite('SQLite on disk', (name) => {
  const path = join(directory, name)
  openDatabase(path).close()
  return openTokenStore(path)
})

/** Another process that writes to a database, until it commits. */
function hold(name: string): DatabaseSync {
  const other = new DatabaseSync(join(directory, name))
  other.exec('begin immediate')
  return other
}

const newJob = (store: JobStore) =>
  ({ id: store.reserveId(), userId: 'ada', service: 's', isFlat: true }) as const

test('a job that is written while another process writes waits, and no one else does', async () => {
  await using store = openJobStore(join(directory, 'both'), { maxAttempts: 1 })
  using other = hold('both')
  const job = newJob(store)
  let isIn = false
  const inserted = store.insert(job, 1).finally(() => (isIn = true))
  for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
  // What is read is read meanwhile.
  assert.equal(await store.find(job.id), undefined)
  assert.equal(isIn, false)
  other.exec('commit')
  assert.equal((await inserted).id, job.id)
})

test('whoever holds the database for too long has what waits refused', async () => {
  await using store = openJobStore(join(directory, 'held'), { maxAttempts: 1 })
  using other = hold('held')
  const job = newJob(store)
  await assert.rejects(store.insert(job, 1), /locked/)
  other.exec('commit')
  assert.equal((await store.insert(job, 1)).id, job.id)
})
