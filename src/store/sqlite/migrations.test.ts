/** Yesterday's databases, opened by the program of today. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { ensureCommand } from '../../../test/harness/debian.ts'
import { openJobStore } from './jobs.ts'
import { jobsAndHistory } from './migrations/0001-jobs-and-history.ts'
import { migrations } from './migrations/index.ts'

const rules = { maxAttempts: 3 }
const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
after(() => rm(directory, { recursive: true }))

/** A database as the first version left it: a job in each of these statuses, by the way to it. */
function makeFirst(path: string): void {
  using database = new DatabaseSync(path)
  database.exec(`pragma journal_mode = wal; begin; ${jobsAndHistory}
    pragma application_id = 0x6a6f6233; pragma user_version = 1; commit;`)
  const sha256 = 'b'.repeat(64)
  for (const id of [1, 2, 3, 4]) {
    database.exec(`insert into jobs (id, user_id, service, status, created_at_ms, changed_at_ms)
        values (${id}, 'ada', 'example', 'Queued', 100, 100);
      insert into history (job_id, at_ms, to_status, attempt, reason)
        values (${id}, 100, 'Queued', 0, 'uploaded')`)
  }
  for (const id of [1, 2]) {
    database.exec(`insert into attempts
        (job_id, number, key, upload_url, download_url, terminate_url, claimed_at_ms)
        values (${id}, 1, 'key-${id}', 'http://a/submit', 'http://a/retrieve', 'http://a/kill', 200);
      update jobs set status = 'Processing', attempt = 1, changed_at_ms = 200 where id = ${id};
      update jobs set status = 'Submitted' where id = ${id};
      update jobs set status = 'Running' where id = ${id}`)
  }
  database.exec(`update jobs set status = 'Completed', final_at_ms = 300, result_size_bytes = 5,
      result_sha256 = '${sha256}', changed_at_ms = 300 where id = 1;
    update jobs set status = 'Killed', final_at_ms = 250, message = 'job terminated' where id = 3;
    insert into history (job_id, at_ms, from_status, to_status, attempt, reason)
      values (1, 300, 'Running', 'Completed', 1, 'run.sh ended with exit code 0')`)
}

test('a database of the first version goes on as it was, with what has come since', async () => {
  const path = join(directory, 'first.sqlite')
  makeFirst(path)
  let serverId: string
  {
    await using store = openJobStore(path, rules)
    serverId = store.serverId
    const jobs = await Promise.all([1, 2, 3, 4].map((id) => store.find(id)))
    assert.deepEqual(
      jobs.map((job) => job?.status),
      ['Completed', 'Running', 'Killed', 'Queued'],
    )
    assert.equal((await store.history(1)).length, 2)
    assert.equal(await store.lastChangeAtMs(), 300)
    assert.equal(store.highestId, 4)
    assert.deepEqual(
      (await store.active()).map(({ attempt }) => attempt.key),
      ['key-2'],
    )
    const client = { uploadUrl: 'http://a/submit', downloadUrl: '', terminateUrl: '' }
    const quota = { runsPerUser: 2, maxRuns: 2 }
    const claimed = await store.claim('example', quota, () => ({ key: 'key-4', client }), 400)
    assert.equal(claimed?.job.id, 4)
    assert.deepEqual(await store.finalBefore(1_000, 10), [3, 1])
    const cleaned = await store.learn(1, { is: 'aged', maxAgeMs: 100 }, 400)
    assert.equal(cleaned?.status, 'Cleaned')
    assert.deepEqual(await store.withoutFiles([1, 2, 3, 4, 5]), [1, 5])
  }
  {
    using database = new DatabaseSync(path)
    const version = database.prepare('pragma user_version').get()
    assert.equal(version?.['user_version'], migrations.length)
  }
  await using again = openJobStore(path, rules)
  assert.equal(again.serverId, serverId)
  assert.equal((await again.find(1))?.status, 'Cleaned')
})

/** What every version has that the one before has not, from the second on. */
const signs = [
  'jobs_ages',
  'is_flat',
  'upload_fingerprint',
  'attempts_open',
  '(old.retry_at_ms is null) <>',
  'tokens (',
  'json_type(limits)',
  'not case old.status',
  'retrying = retrying',
]

/** A database's version by its own word, and by what is in it. */
function versionsOf(path: string): [number, number] {
  using database = new DatabaseSync(path)
  const told = Number(database.prepare('pragma user_version').get()?.['user_version'])
  const schema = database.prepare('select sql from sqlite_schema where sql is not null')
  const rows = schema.all().map((row) => String(row['sql']))
  return [told, 1 + signs.filter((sign) => rows.some((sql) => sql.includes(sign))).length]
}

test('a migration that fails in its middle leaves the version before it, whole', () => {
  const path = join(directory, 'failing.sqlite')
  makeFirst(path)
  {
    using database = new DatabaseSync(path)
    // The third thing that the fourth version adds is there already.
    database.exec('alter table jobs add column max_runtime_ms integer')
  }
  assert.throws(() => openJobStore(path, rules), /duplicate column name: max_runtime_ms/)
  assert.deepEqual(versionsOf(path), [3, 3])
  {
    using database = new DatabaseSync(path)
    const columns = database.prepare("select name from pragma_table_info('jobs')").all()
    assert.equal(
      columns.some(({ name }) => name === 'script_attempts'),
      false,
    )
    database.exec('alter table jobs drop column max_runtime_ms')
  }
  openJobStore(path, rules)[Symbol.asyncDispose]()
  assert.deepEqual(versionsOf(path), [migrations.length, migrations.length])
})

test('a program that is killed while it migrates leaves one version or the next, whole', async (t) => {
  const missing = await ensureCommand('strace')
  if (missing !== undefined) {
    t.skip(missing)
    return
  }
  const first = join(directory, 'killed.sqlite')
  makeFirst(first)
  const modulePath = JSON.stringify(join(import.meta.dirname, 'jobs.ts'))
  const open = async (path: string, ...strace: string[]) => {
    const script = `const { openJobStore } = await import(${modulePath})
      await openJobStore(${JSON.stringify(path)}, { maxAttempts: 3 })[Symbol.asyncDispose]()`
    const node = [process.execPath, '--input-type=module', '--eval', script]
    await promisify(execFile)('strace', ['-qq', ...strace, ...node])
  }
  const log = join(directory, 'writes')
  const whole = join(directory, 'whole.sqlite')
  await copyFile(first, whole)
  await open(whole, '-o', log, '-e', 'trace=pwrite64')
  const writes = (await readFile(log, 'utf8')).split('\n').length - 1
  const versions = new Set<number>()
  const moments = 8
  for (let index = 0; index < moments; index++) {
    const path = join(directory, `killed-${index}.sqlite`)
    await copyFile(first, path)
    const when = 1 + Math.floor(((writes - 1) * index) / (moments - 1))
    const inject = `inject=pwrite64:signal=SIGKILL:when=${when}`
    const killed = open(path, '-o', '/dev/null', '-e', 'trace=pwrite64', '-e', inject)
    await assert.rejects(killed, { signal: 'SIGKILL' })
    const [told, real] = versionsOf(path)
    assert.equal(told, real, `killed at write ${when} of ${writes}`)
    versions.add(told)
    {
      await using store = openJobStore(path, rules)
      assert.equal((await store.find(2))?.status, 'Running')
      assert.equal((await store.history(1)).length, 2)
    }
    assert.deepEqual(versionsOf(path), [migrations.length, migrations.length])
  }
  assert.ok(versions.size >= 3, `only versions ${[...versions].join(', ')} were seen`)
})
