/** Databases and data directories that a start cannot use, and what is left of them. */
import assert from 'node:assert/strict'
import { copyFile, mkdir, open, readFile, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { Lab } from './harness/lab.ts'
import { refusal } from './harness/refusal.ts'

/** The arguments of a server on a database, with a data directory of its own. */
const on = (database: string) => [
  'server',
  '--port',
  '0',
  '--data-path',
  'data',
  '--db-path',
  database,
]

/** Every file of a directory with its bytes. */
async function contents(directory: string): Promise<Map<string, string>> {
  const names = (await readdir(directory)).toSorted()
  const read = async (name: string) => (await readFile(join(directory, name))).toString('base64')
  return new Map(await Promise.all(names.map(async (name) => [name, await read(name)] as const)))
}

/** A database of 2.2.3, as far as we look at it. */
function makeOld(path: string, table = 'jobs', pragmas = ''): DatabaseSync {
  const database = new DatabaseSync(path)
  database.exec(
    `${pragmas};
     create table ${table} (id integer primary key, user_id integer, service text, status text);
     insert into ${table} (user_id, service, status) values (1, 'example', 'Queued')`,
  )
  return database
}

test('a database of 2.2.3 is recognised and left untouched, and nothing is made', async () => {
  await using lab = await Lab.create()
  makeOld(join(lab.directory, 'db.sqlite')).close()
  const before = await contents(lab.directory)
  assert.match(
    await refusal(lab.program(on('db.sqlite'))),
    /db\.sqlite is a database of job-orchestrator 2\.2\.3; it was left untouched: give another --db-path, and .* job-orchestrator import --from db\.sqlite --data /,
  )
  assert.deepEqual(await contents(lab.directory), before)
  assert.deepEqual([...before.keys()], ['db.sqlite'])
})

test('so is one that was killed with everything still in its journal', async () => {
  await using lab = await Lab.create()
  const path = join(lab.directory, 'old.sqlite')
  const live = join(lab.directory, 'live.sqlite')
  const writer = makeOld(live, 'jobs', 'pragma journal_mode = wal')
  await copyFile(live, path)
  await copyFile(`${live}-wal`, `${path}-wal`)
  writer.close()
  const before = await contents(lab.directory)
  assert.match(await refusal(lab.program(on('old.sqlite'))), /is a database of job-orchestrator 2/)
  assert.deepEqual(await contents(lab.directory), before)
})

test('a database of another program is left untouched', async () => {
  await using lab = await Lab.create()
  makeOld(join(lab.directory, 'db.sqlite'), 'bookmarks').close()
  const before = await contents(lab.directory)
  assert.match(
    await refusal(lab.program(on('db.sqlite'))),
    /db\.sqlite is the database of another program; give another --db-path$/,
  )
  assert.deepEqual(await contents(lab.directory), before)
})

test('a file that is no database is left untouched', async () => {
  await using lab = await Lab.create()
  await writeFile(join(lab.directory, 'db.sqlite'), 'garbage '.repeat(1000))
  const before = await contents(lab.directory)
  assert.match(
    await refusal(lab.program(on('db.sqlite'))),
    /db\.sqlite is not a database, or it is damaged; give another --db-path$/,
  )
  assert.deepEqual(await contents(lab.directory), before)
})

test('an empty file becomes a database', async () => {
  await using lab = await Lab.create()
  await writeFile(join(lab.directory, 'db.sqlite'), '')
  const server = lab.program(on('db.sqlite'))
  await server.address()
  assert.equal(await server.stop(), 0)
})

test('a database that is damaged in its middle or cut short is told in one line', async () => {
  await using lab = await Lab.create()
  const path = join(lab.directory, 'db.sqlite')
  const first = lab.program(on('db.sqlite'))
  await first.address()
  assert.equal(await first.stop(), 0)
  const whole = await readFile(path)
  assert.ok(whole.length > 3 * 4096)
  {
    await using file = await open(path, 'r+')
    await file.write(Buffer.alloc(4096, 0xa5), 0, 4096, Math.floor(whole.length / 8192) * 4096)
  }
  assert.match(await refusal(lab.program(on('db.sqlite'))), /db\.sqlite.*(damaged|malformed)/)
  await writeFile(path, whole.subarray(0, whole.length / 2))
  assert.match(await refusal(lab.program(on('db.sqlite'))), /db\.sqlite.*(damaged|malformed)/)
  await writeFile(path, whole.subarray(0, 50))
  assert.match(await refusal(lab.program(on('db.sqlite'))), /db\.sqlite.*(damaged|not a database)/)
  await writeFile(path, whole)
  const again = lab.program(on('db.sqlite'))
  await again.address()
  assert.equal(await again.stop(), 0)
})

test('a database of a newer version is refused, and not changed', async () => {
  await using lab = await Lab.create()
  const path = join(lab.directory, 'db.sqlite')
  const first = lab.program(on('db.sqlite'))
  await first.address()
  await first.stop()
  {
    using database = new DatabaseSync(path)
    database.exec('pragma user_version = 1000')
  }
  const before = await readFile(path)
  assert.match(
    await refusal(lab.program(on('db.sqlite'))),
    /db\.sqlite was made by a newer job-orchestrator \(version 1000 .*; upgrade this program$/,
  )
  assert.deepEqual(await readFile(path), before)
})

test('a server that was killed at its first start finds its database again', async () => {
  await using lab = await Lab.create()
  const first = lab.program(on('db.sqlite'))
  await first.address()
  await first.stop('SIGKILL')
  const again = lab.program(on('db.sqlite'))
  await again.address()
  assert.equal(await again.stop(), 0)
})

test('a second server on the same data directory, or the same database, is refused', async () => {
  await using lab = await Lab.create()
  const first = lab.program(on('db.sqlite'))
  await first.address()
  const both = await refusal(lab.program(on('db.sqlite')))
  assert.match(
    both,
    /another job-orchestrator is using .*data.*: give each server its own --data-p/,
  )
  const data = await refusal(lab.program(on('other.sqlite')))
  assert.match(
    data,
    /another job-orchestrator is using .*data.*: give each server its own --data-p/,
  )
  await symlink('db.sqlite', join(lab.directory, 'link.sqlite'))
  for (const name of ['db.sqlite', 'link.sqlite']) {
    const database = await refusal(
      lab.program(['server', '--port', '0', '--data-path', 'data2', '--db-path', name]),
    )
    assert.match(
      database,
      /another job-orchestrator is using .*db\.sqlite.*: give each server.*--d/,
    )
  }
  assert.equal(await first.stop(), 0)
  const next = lab.program(on('db.sqlite'))
  await next.address()
})

test('a database whose files are nowhere is refused, and loses no job', async () => {
  await using lab = await Lab.create()
  const dbPath = join(lab.directory, 'server.sqlite')
  const services = { example: ['http://127.0.0.1:1'] }
  const { api, program } = await lab.server({ services })
  const id = await api.upload('true')
  await program.stop()
  const elsewhere = ['server', '--port', '0', '--db-path', dbPath, '--data-path', 'unmounted']
  const message = /has jobs whose files should be in \S+unmounted\/jobs, which has none of them: is/
  assert.match(await refusal(lab.program(elsewhere)), message)
  const again = await lab.server({ services })
  assert.equal((await again.api.job(id)).status, 'Queued')
})

test('the jobs of one database are not touched by a server on another', async () => {
  await using lab = await Lab.create()
  const first = lab.program(on('db.sqlite'))
  await first.address()
  await first.stop()
  const job = join(lab.directory, 'data', 'jobs', '7')
  await mkdir(job)
  const message = /the jobs in \S+data\/jobs belong to another database: give its --db-path/
  assert.match(await refusal(lab.program(on('other.sqlite'))), message)
  assert.deepEqual(
    (await readdir(lab.directory)).filter((name) => name === 'other.sqlite'),
    [],
  )
  const other = lab.program(['server', '--port', '0', '--data-path', 'd2', '--db-path', 'o.sqlite'])
  await other.address()
  await other.stop()
  assert.match(await refusal(lab.program(on('o.sqlite'))), message)
  assert.deepEqual(await readdir(join(lab.directory, 'data', 'jobs')), [
    '7',
    'incoming',
    'lock',
    'server',
  ])
})

test('a second client on the same data directory is refused; a server may share it', async () => {
  await using lab = await Lab.create()
  const client = ['client', '--port', '0', '--data-path', 'data']
  const first = lab.program(client)
  await first.address()
  assert.match(
    await refusal(lab.program(client)),
    /another job-orchestrator is using .*data.*: give each client its own --data-path$/,
  )
  await lab.program(on('db.sqlite')).address()
  await first.stop('SIGKILL')
  await lab.program(client).address()
})

test('a client whose own memory is damaged says so in one line', async () => {
  await using lab = await Lab.create()
  const client = ['client', '--port', '0', '--data-path', 'data']
  const first = lab.program(client)
  await first.address()
  await first.stop()
  await writeFile(join(lab.directory, 'data/payloads/client.sqlite'), 'garbage '.repeat(1000))
  assert.match(await refusal(lab.program(client)), /client\.sqlite: file is not a database$/)
})
