import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
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

test('a job that is written while another process writes waits, and no one else does', async () => {
  const path = join(directory, 'both')
  await using store = openJobStore(path, { maxAttempts: 1 })
  using other = new DatabaseSync(path)
  other.exec('begin immediate')
  const job = { id: store.reserveId(), userId: 'ada', service: 's', isFlat: true }
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
  const path = join(directory, 'held')
  await using store = openJobStore(path, { maxAttempts: 1 })
  using other = new DatabaseSync(path)
  other.exec('begin immediate')
  const job = { id: store.reserveId(), userId: 'ada', service: 's', isFlat: true }
  await assert.rejects(store.insert(job, 1), /locked/)
  other.exec('commit')
  assert.equal((await store.insert(job, 1)).id, job.id)
})
