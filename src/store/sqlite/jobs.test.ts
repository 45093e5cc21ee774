import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { isFinal, jobStatuses, jobWalk } from '../../domain/job.ts'
import { jobStoreSuite } from '../jobs.suite.ts'
import { openDatabase } from './database.ts'
import { statements } from './job-statements.ts'
import { openJobStore } from './jobs.ts'

const rules = { maxAttempts: 3 }
const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
after(() => rm(directory, { recursive: true }))
let files = 0
const newFile = () => join(directory, `${files++}.sqlite`)

jobStoreSuite('SQLite in memory', async () => openJobStore(':memory:', rules))
jobStoreSuite('SQLite on disk', async () => openJobStore(newFile(), rules))

test('a store that is opened again has everything, and its id', async () => {
  const path = newFile()
  const client = { uploadUrl: 'http://a/submit', downloadUrl: '', terminateUrl: '' }
  const first = openJobStore(path, rules)
  const { serverId } = first
  assert.match(serverId, /^[0-9a-f]{16}$/)
  await first.insert({ id: first.reserveId(), userId: 'a', service: 's', isFlat: true }, 1)
  await first.insert({ id: first.reserveId(), userId: 'a', service: 's', isFlat: true }, 1)
  await first.claim('s', { runsPerUser: 1, maxRuns: 1 }, () => ({ key: 'k', client }), 2)
  const before = [await first.find(1), await first.history(1), await first.active()]
  await first[Symbol.asyncDispose]()

  await using second = openJobStore(path, rules)
  assert.equal(second.serverId, serverId)
  assert.deepEqual([await second.find(1), await second.history(1), await second.active()], before)
  assert.equal(second.reserveId(), 3)
  const claim = second.claim('s', { runsPerUser: 1, maxRuns: 1 }, () => ({ key: 'k2', client }), 2)
  assert.equal(await claim, undefined, 'the quota still counts')
})

test('the database takes just the steps that the domain allows', () => {
  const database = openDatabase(':memory:')
  const sha256 = 'a'.repeat(64)
  const legal: string[] = []
  for (const from of jobStatuses) {
    for (const to of jobStatuses.filter((status) => status !== from)) {
      database.exec('begin; drop trigger jobs_begin; drop trigger jobs_count_update')
      database
        .prepare(`insert into jobs (user_id, service, status, attempt, created_at_ms, changed_at_ms,
          final_at_ms, result_size_bytes, result_sha256) values ('a', 's', ?, 1, 1, 1, ?, ?, ?)`)
        .run(
          from,
          isFinal(from) ? 1 : null,
          isFinal(from) ? 1 : null,
          isFinal(from) ? sha256 : null,
        )
      try {
        database
          .prepare(`update jobs set status = ?, final_at_ms = ?, result_size_bytes = ?,
            result_sha256 = ?`)
          .run(to, isFinal(to) ? 1 : null, isFinal(to) ? 1 : null, isFinal(to) ? sha256 : null)
        legal.push(`${from}>${to}`)
      } catch (error) {
        assert.match(String(error), /cannot take this step/)
      }
      database.exec('rollback')
    }
  }
  assert.deepEqual(legal.toSorted(), jobWalk.map(([from, to]) => `${from}>${to}`).toSorted())
})

test('the database refuses impossible rows', () => {
  const database = openDatabase(':memory:')
  database.exec(`insert into jobs (user_id, service, status, created_at_ms, changed_at_ms)
    values ('a', 's', 'Queued', 1, 1)`)
  const impossible = [
    "update jobs set user_id = ''",
    "update jobs set status = 'Lost'",
    "update jobs set status = 'Processing'",
    "update jobs set status = 'Killed'",
    'update jobs set attempt = 2',
    'update jobs set final_at_ms = 1',
    'update jobs set lost_attempts = 1',
    'update jobs set terminate_requested_at_ms = 1',
    "update jobs set result_size_bytes = 1, result_sha256 = 'short'",
    'update jobs set result_size_bytes = 1',
    'delete from jobs',
    `insert into jobs (user_id, service, status, created_at_ms, changed_at_ms, attempt)
      values ('a', 's', 'Running', 1, 1, 1)`,
    `insert into attempts (job_id, number, key, upload_url, download_url, terminate_url,
      claimed_at_ms) values (99, 1, 'k', 'u', 'd', 't', 1)`,
  ]
  for (const sql of impossible) assert.throws(() => database.exec(sql), Error, sql)
})

/** How SQLite finds what a statement asks for, in an empty database. */
function planOf(sql: string): string {
  const path = newFile()
  openDatabase(path).close()
  using database = new DatabaseSync(path)
  const rows = database.prepare(`explain query plan ${sql}`).all()
  return rows.map((row) => String(row['detail'])).join('; ')
}

test('who is next is found by an index, however many wait', () => {
  const turn = planOf(statements.nextTurn.replaceAll('?', "'s'"))
  assert.match(turn, /USING (COVERING )?INDEX turns_next/)
  assert.doesNotMatch(turn, /TEMP B-TREE|^SCAN/)
  const job = planOf(statements.nextJob.replaceAll('?', "'s'"))
  assert.match(job, /INDEX jobs_queue/)
  assert.doesNotMatch(job, /TEMP B-TREE|^SCAN/)
})

test('the job of an Idempotency-Key is found by an index', () => {
  assert.match(planOf(statements.upload.replaceAll('?', "'a'")), /INDEX jobs_idempotency/)
  assert.match(planOf(statements.upload), /INDEX jobs_idempotency/)
})

test('what is too old, and what needs no files, is found by an index, however many there are', () => {
  const finalBefore = planOf(statements.finalBefore.replaceAll('?', '1'))
  assert.match(finalBefore, /^SEARCH jobs USING (COVERING )?INDEX jobs_ages/)
  assert.doesNotMatch(finalBefore, /TEMP B-TREE/)
  assert.match(planOf(statements.oldestFinal), /^SEARCH jobs USING (COVERING )?INDEX jobs_ages/)
  const withoutFiles = planOf(statements.withoutFiles.replaceAll('?', "'[1]'"))
  assert.match(withoutFiles, /SEARCH jobs USING INTEGER PRIMARY KEY/)
  assert.doesNotMatch(planOf(statements.lastChange), /TEMP B-TREE/)
})

test('retries whose release a full disk undoes stay due', async () => {
  await using store = openJobStore(':memory:', rules)
  const client = { uploadUrl: 'http://a/submit', downloadUrl: '', terminateUrl: '' }
  const quota = { runsPerUser: 1, maxRuns: 1 }
  await store.insert({ id: store.reserveId(), userId: 'a', service: 's', isFlat: false }, 1)
  await store.claim('s', quota, () => ({ passedOverUntilMs: 5, reason: 'it waits' }), 2)
  const exec = Reflect.get(DatabaseSync.prototype, 'exec')
  DatabaseSync.prototype.exec = function (sql) {
    if (sql === 'commit') throw Object.assign(new Error('full'), { errcode: 13 })
    return exec.call(this, sql)
  }
  try {
    await assert.rejects(store.releaseRetries(5), /full/)
  } finally {
    DatabaseSync.prototype.exec = exec
  }
  assert.equal(await store.releaseRetries(5), undefined)
  const claimed = await store.claim('s', quota, () => ({ key: 'k', client }), 6)
  assert.equal(claimed?.job.id, 1)
})
