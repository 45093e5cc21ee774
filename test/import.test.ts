/** `job-orchestrator import`: an installation of 2.2.3 becomes one of ours. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  copyFile,
  mkdir,
  readFile,
  readdir,
  rename,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { Lab, until } from './harness/lab.ts'
import { OldInstallation, makeZip } from './harness/old-installation.ts'
import { refusal } from './harness/refusal.ts'

const run = promisify(execFile)

/** The places of the lab's server, so that it finds what was imported. */
const target = ['--db-path', 'server.sqlite', '--data-path', 'server']
const usual = ['import', '--from', 'old.sqlite', '--data', 'old-data', ...target]

/** An import that has to do all. */
async function imported(lab: Lab, args: readonly string[] = usual): Promise<string> {
  const program = lab.program(args)
  assert.equal(await program.exit(), 0, program.said)
  return program.output
}

async function contentOf(file: string): Promise<[string, string]> {
  const [bytes, { mtimeMs }] = await Promise.all([readFile(file), stat(file)])
  return [file, `${mtimeMs} ${bytes.toString('base64')}`]
}

/** Every file below a directory with its bytes and its time. */
async function contents(directory: string): Promise<Map<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  const pairs = await Promise.all(files.map((file) => contentOf(join(file.parentPath, file.name))))
  return new Map(pairs.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** What there is of 2.2.3. */
async function contentsOfOld(lab: Lab): Promise<unknown> {
  const data = await contents(join(lab.directory, 'old-data'))
  const names = (await readdir(lab.directory)).filter((name) => name.startsWith('old.sqlite'))
  const databases = await Promise.all(names.map((name) => readFile(join(lab.directory, name))))
  return { data, names, databases: databases.map((bytes) => bytes.toString('base64')) }
}

/** `GET /download/{id}` of a job that is not completed. */
type Told = { readonly status: string; readonly message: string }

test('everything of 2.2.3 is there under its old id', async () => {
  await using lab = await Lab.create()
  using old = new OldInstallation(lab.directory)
  const zip = await makeZip({ 'run.sh': 'true', 'answer.txt': '42' })
  const endedAt = new Date('2026-02-03T04:05:06.000Z')
  const inputs = { 'run.sh': 'true', 'in.txt': 'x' }
  const completed = old.add('completed', {
    user: -3,
    files: { ...inputs, 'output.zip': zip },
    endedAt,
  })
  const cleaned = old.add('cleaned', { files: null })
  const ended = ['failed', 'invalid', 'killed'].map((status) => old.add(status))
  const underWay = ['processing', 'submitted', 'prepared', 'running', 'locked', 'unknown'].map(
    (status) => [old.add(status), status] as const,
  )
  const queued = old.add('queued', { files: { 'run.sh': 'cp in.txt out.txt', 'in.txt': 'hello' } })
  old.database.close()
  const before = await contentsOfOld(lab)
  const said = await imported(lab)
  assert.match(said, /^imported 12 jobs$/m)
  assert.match(said, /^ {2}Completed 1, \d+ bytes of results$/m)
  assert.match(said, /^ {2}Failed {4}7$/m)
  assert.match(said, /^ {2}Queued {4}1, run by a server that has the service example$/m)
  assert.match(said, /^6 jobs not as in 2\.2\.3:$/m)
  assert.deepEqual(await contentsOfOld(lab), before)

  const client = await lab.client()
  const { api } = await lab.server({ services: { example: [client.address] } })
  const response = await fetch(`${api.address}/download/${completed}`)
  assert.equal(response.headers.get('content-type'), 'application/zip')
  assert.deepEqual(Buffer.from(await response.arrayBuffer()), zip)
  const job = await api.job(completed)
  assert.deepEqual(
    [job.user, job.service, job.status, job.createdAt, job.finalAt],
    ['-3', 'example', 'Completed', '2026-01-02T03:04:05.000Z', endedAt.toISOString()],
  )
  assert.equal(job.attempts[0]?.payload, 997)
  assert.deepEqual(
    job.history.map(({ from, to, reason }) => [from, to, reason]),
    [
      [null, 'Queued', 'uploaded to job-orchestrator 2.2.3'],
      ['Queued', 'Completed', 'imported from 2.2.3, where it was completed'],
    ],
  )
  const told = async (id: number): Promise<Told> => (await api.get(`/download/${id}`)).body
  for (const [index, status] of ['Failed', 'Invalid', 'Killed'].entries()) {
    const id = ended[index] ?? 0
    const message = 'imported from 2.2.3, which keeps no reason'
    assert.deepEqual(await told(id), { id, status, message })
    const files = await api.files(id, 'download_partial')
    assert.deepEqual([...files.keys()].toSorted(), ['in.txt', 'run.sh'])
    assert.equal((await api.job(id)).finalAt, '2026-01-02T03:04:05.000Z')
  }
  for (const [id, status] of underWay) {
    assert.deepEqual(await told(id), {
      id,
      status: 'Failed',
      message:
        `it was ${status} in 2.2.3 when it was imported, and its result was never fetched; ` +
        'send it again',
    })
    assert.equal((await api.files(id, 'download_partial')).size, 2)
    assert.ok(Date.parse((await api.job(id)).finalAt ?? '') > Date.now() - 600_000)
  }
  assert.equal((await told(cleaned)).status, 'Cleaned')
  assert.equal((await fetch(`${api.address}/download_partial/${cleaned}`)).status, 404)

  assert.equal((await api.ended(queued)).status, 'Completed')
  assert.equal((await api.files(queued)).get('out.txt')?.content.toString(), 'hello')
  const next = await api.run('true')
  assert.deepEqual([next.status, next.id], ['Completed', queued + 1])
  assert.equal((await api.terminate(completed)).status, 409)
})

test('a result that is damaged or missing becomes a failure that says so', async () => {
  await using lab = await Lab.create()
  using old = new OldInstallation(lab.directory)
  const zip = await makeZip({ 'a.txt': 'a'.repeat(2000), 'b.txt': 'b' })
  const overwritten = Buffer.from(zip)
  overwritten.fill(0, 0, 20)
  const damaged: [Record<string, string | Uint8Array> | null, RegExp][] = [
    [{ 'run.sh': '', 'output.zip': zip.subarray(0, zip.length - 30) }, /output\.zip: .*central/i],
    [{ 'run.sh': '', 'output.zip': '' }, /output\.zip: /],
    [{ 'run.sh': '', 'output.zip': overwritten }, /output\.zip: .*signature/i],
    [{ 'run.sh': '' }, /output\.zip: it is not there$/],
    [null, /output\.zip: it is not there$/],
  ]
  for (const [files] of damaged) old.add('completed', { files })
  const noScript = old.add('queued', { files: { 'in.txt': '' } })
  const badName = old.add('queued', { files: { 'run.sh': '', 'a\\b': '' } })
  const gone = old.add('queued', { files: null })
  old.database.close()
  const said = await imported(lab)
  assert.match(said, /^8 jobs not as in 2\.2\.3:$/m)
  const { api } = await lab.server({ services: { example: ['http://127.0.0.1:9'] } })
  for (const [index, [files, why]] of damaged.entries()) {
    const { status, body } = await api.get(`/download/${index + 1}`)
    assert.deepEqual([status, body.status], [200, 'Failed'])
    assert.match(body.message, why)
    assert.ok(said.includes(`  job ${index + 1} is Failed: ${body.message}`))
    const partial = await api.files(index + 1, 'download_partial')
    assert.deepEqual([...partial.keys()], files ? ['run.sh'] : [])
  }
  const message = async (id: number) => (await api.get(`/download/${id}`)).body.message
  assert.match(await message(noScript), /cannot be run: it has no file run\.sh; send it again$/)
  assert.match(await message(badName), /cannot be run: .*backslash/)
  assert.match(await message(gone), /cannot be run: its directory is not there; send it again$/)
})

test('wherever 2.2.3 said that its files are, they are found by their name in --data', async () => {
  await using lab = await Lab.create()
  using old = new OldInstallation(lab.directory)
  const files = { 'output.zip': await makeZip({ 'a.txt': '1' }) }
  for (const dataPath of ['/data', './data', 'data', lab.directory]) {
    old.add('completed', { files, dataPath })
  }
  old.database.close()
  await rename(join(lab.directory, 'old-data'), join(lab.directory, 'elsewhere'))
  const args = ['import', '--from', 'old.sqlite', '--data', 'elsewhere', ...target]
  assert.match(await imported(lab, args), /^ {2}Completed 4, /m)
})

test('what is only in the journal of a killed 2.2.3 counts, and stays there', async () => {
  await using lab = await Lab.create()
  await mkdir(join(lab.directory, 'live'))
  using live = new OldInstallation(join(lab.directory, 'live'), 'pragma journal_mode = wal')
  live.add('failed')
  for (const part of ['', '-wal']) {
    await copyFile(live.dbPath + part, join(lab.directory, `old.sqlite${part}`))
  }
  await rename(live.dataPath, join(lab.directory, 'old-data'))
  const before = await contentsOfOld(lab)
  assert.match(await imported(lab), /^ {2}Failed {4}1$/m)
  assert.deepEqual(await contentsOfOld(lab), before)
})

test('what a killed 2.2.3 had not committed does not count', async () => {
  await using lab = await Lab.create()
  await mkdir(join(lab.directory, 'live'))
  using live = new OldInstallation(join(lab.directory, 'live'))
  live.add('killed')
  // More than the cache holds: so it is written to the file before it is committed.
  live.database.exec(`pragma cache_size = 1; begin; update jobs set status = 'failed'`)
  for (let index = 0; index < 500; index++) live.add('failed', { files: null })
  for (const part of ['', '-journal']) {
    await copyFile(live.dbPath + part, join(lab.directory, `old.sqlite${part}`))
  }
  live.database.exec('rollback')
  await rename(live.dataPath, join(lab.directory, 'old-data'))
  const before = await contentsOfOld(lab)
  assert.match(await imported(lab), /^imported 1 job\n {2}Killed {4}1$/m)
  assert.deepEqual(await contentsOfOld(lab), before)
})

test('while 2.2.3 runs only what has ended is imported, and the rest later', async () => {
  await using lab = await Lab.create()
  using old = new OldInstallation(lab.directory)
  old.add('queued')
  const running = old.add('running')
  const failed = old.add('failed')
  const last = old.add('queued', { service: 'other' })
  const first = lab.program(usual)
  assert.equal(await first.exit(), 0, first.said)
  assert.match(first.errors, new RegExp(`process .*\\b${process.pid}\\b.* has old\\.sqlite open`))
  assert.match(first.output, /^imported 1 job$/m)
  assert.match(
    first.output,
    /^3 jobs not imported: 2\.2\.3 runs, and has 2 queued and 1 under way/m,
  )
  {
    // Whatever comes to a server meanwhile gets no id of those that are to follow.
    using ours = new DatabaseSync(join(lab.directory, 'server.sqlite'))
    assert.equal(ours.prepare('select seq from sqlite_sequence').get()?.['seq'], last)
  }
  old.database.exec(`update jobs set status = 'killed' where id = ${running}`)
  old.database.close()
  const second = await imported(lab)
  assert.match(second, /^imported 3 jobs$/m)
  assert.match(second, /^1 job had been imported before$/m)
  const client = await lab.client()
  const { api } = await lab.server({ services: { example: [client.address] } })
  assert.equal((await api.ended(1)).status, 'Completed')
  assert.equal((await api.job(running)).status, 'Killed')
  assert.equal((await api.job(failed)).status, 'Failed')
  assert.equal(await api.upload('true'), last + 1)
})

test('a link to the database is the database, with its journal and whoever has it open', async () => {
  await using lab = await Lab.create()
  await mkdir(join(lab.directory, 'live'))
  using live = new OldInstallation(join(lab.directory, 'live'), 'pragma journal_mode = wal')
  live.add('queued')
  live.add('failed')
  await symlink(live.dbPath, join(lab.directory, 'link.sqlite'))
  const args = ['import', '--from', 'link.sqlite', '--data', 'live/old-data', ...target]
  const program = lab.program(args)
  assert.equal(await program.exit(), 0, program.said)
  assert.match(
    program.errors,
    new RegExp(`process .*\\b${process.pid}\\b.* has link\\.sqlite open`),
  )
  assert.match(program.output, /^imported 1 job$/m)
  assert.match(program.output, /2\.2\.3 runs, and has 1 queued/)
})

test('it can be run twice, and says what has changed since', async () => {
  await using lab = await Lab.create()
  using old = new OldInstallation(lab.directory)
  const zip = await makeZip({ 'a.txt': '1' })
  const done = old.add('completed', { files: { 'output.zip': zip } })
  const late = old.add('running', { files: { 'output.zip': zip } })
  old.database.close()
  await imported(lab)
  const before = await contents(join(lab.directory, 'server'))
  {
    using database = new DatabaseSync(old.dbPath)
    database.exec(`update jobs set status = 'completed' where id = ${late}`)
  }
  const said = await imported(lab)
  assert.match(said, /^imported 0 jobs$/m)
  assert.match(said, /^2 jobs had been imported before$/m)
  assert.match(said, new RegExp(`^  job ${late} was imported before as Failed, and stays so`, 'm'))
  assert.deepEqual(await contents(join(lab.directory, 'server')), before)
  const { api } = await lab.server({ services: { example: ['http://127.0.0.1:9'] } })
  assert.equal((await api.files(done)).size, 1)
})

test('cut short by any signal, it goes on where it was, and nothing is half there', async () => {
  await using lab = await Lab.create()
  using old = new OldInstallation(lab.directory)
  const zip = await makeZip({ 'a.txt': 'x'.repeat(20_000) })
  const count = 1000
  old.database.exec('begin')
  for (let index = 0; index < count; index++) {
    old.add('completed', { files: { 'run.sh': '', 'output.zip': zip } })
  }
  old.database.exec('commit')
  old.database.close()
  const jobsDirectory = join(lab.directory, 'server', 'jobs')
  const copied = async () => (await readdir(jobsDirectory).catch(() => [])).length
  const rows = () => {
    using database = new DatabaseSync(join(lab.directory, 'server.sqlite'))
    const row = database.prepare('select count(*) as n, max(id) as top from jobs').get()
    return [Number(row?.['n']), Number(row?.['top'])]
  }
  const killed = lab.program(usual)
  // In the middle of the second batch.
  await until('it has begun', async () => (await copied()) > 300)
  await killed.stop('SIGKILL')
  const [some = 0, top] = rows()
  assert.ok(some > 0 && some < count, `${some} jobs`)
  assert.equal(top, some)
  const stopped = lab.program(usual)
  await until('it goes on', async () => (await copied()) > some + 300)
  assert.equal(await stopped.stop('SIGTERM'), 1, stopped.said)
  assert.match(stopped.output, /^SIGTERM: cut short; import again to go on$/m)
  const more = rows()[0] ?? 0
  assert.ok(more > some && more < count, `${more} jobs`)
  const last = await imported(lab)
  assert.match(last, new RegExp(`^imported ${count - more} jobs$`, 'm'))
  assert.match(last, new RegExp(`^${more} jobs had been imported before$`, 'm'))
  const { api } = await lab.server({ services: { example: ['http://127.0.0.1:9'] } })
  for (const id of [1, some, some + 1, more, more + 1, count]) {
    const response = await fetch(`${api.address}/download/${id}`)
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), zip)
  }
  const left = (await readdir(jobsDirectory)).filter((name) => /^\d+$/.test(name))
  assert.equal(left.length, count)
  assert.deepEqual(await readdir(join(jobsDirectory, 'incoming')), [])
})

test('on a full disk nothing is half there, and with more room it goes on', async (t) => {
  await using lab = await Lab.create()
  using old = new OldInstallation(lab.directory)
  const zip = await makeZip({ 'a.txt': randomBytes(10_000).toString('hex') })
  for (let index = 0; index < 300; index++) old.add('completed', { files: { 'output.zip': zip } })
  old.database.close()
  const small = join(lab.directory, 'small')
  await mkdir(small)
  const mount = (options: string) => run('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', small])
  try {
    await mount('size=3m')
  } catch (error) {
    t.skip(`a small file system cannot be mounted here: ${String(error).split('\n')[0]}`)
    return
  }
  try {
    const places = ['--db-path', 'small/n.sqlite', '--data-path', 'small/n']
    const args = ['import', '--from', 'old.sqlite', '--data', 'old-data', ...places]
    const full = lab.program(args)
    assert.equal(await full.exit(), 2, full.said)
    assert.match(full.errors, /no space left on .*; what was imported before that is whole: mend/)
    await mount('remount,size=60m')
    assert.match(await imported(lab, args), /^imported 300 jobs$/m)
    const result = await readFile(join(small, 'n', 'jobs', '300', 'result.1.zip'))
    assert.deepEqual(result, zip)
  } finally {
    await run('umount', ['--lazy', small])
  }
})

test('--dry-run says the same, and writes nothing', async () => {
  await using lab = await Lab.create()
  using old = new OldInstallation(lab.directory)
  old.add('completed', { files: { 'output.zip': await makeZip({ 'a.txt': '1' }) } })
  old.add('completed', { files: { 'output.zip': 'no' } })
  old.add('queued')
  old.database.close()
  const before = await contents(lab.directory)
  const said = await imported(lab, [...usual, '--dry-run'])
  assert.deepEqual(await contents(lab.directory), before)
  const done = await imported(lab)
  assert.match(done, /^ {2}job 2 is Failed: /m)
  assert.equal(said.replace('would import', 'imported'), done.replace(/^in .*\n/m, ''))
  assert.match(await imported(lab, [...usual, '--dry-run']), /^3 jobs had been imported before$/m)
})

test('what ended longer ago than MAX_AGE is counted', async () => {
  await using lab = await Lab.create()
  using old = new OldInstallation(lab.directory)
  const now = new Date().toISOString().slice(0, 19).replace('T', ' ')
  old.add('failed')
  old.add('failed', { createdAt: now })
  old.add('running')
  old.database.close()
  assert.match(
    await imported(lab, [...usual, '--dry-run']),
    /^1 job ended longer ago than MAX_AGE/m,
  )
  assert.doesNotMatch(await imported(lab, [...usual, '--max-age', '40000d']), /MAX_AGE/)
})

test('what is in the way is said in one line, and nothing is changed', async () => {
  await using lab = await Lab.create()
  using old = new OldInstallation(lab.directory)
  old.add('failed')
  old.database.close()
  await writeFile(join(lab.directory, 'text'), 'garbage '.repeat(1000))
  {
    using other = new DatabaseSync(join(lab.directory, 'other.sqlite'))
    other.exec('create table bookmarks (id integer)')
    using alike = new DatabaseSync(join(lab.directory, 'alike.sqlite'))
    alike.exec('create table jobs (id integer, status text)')
  }
  await symlink('old.sqlite', join(lab.directory, 'link.sqlite'))
  const before = await contents(lab.directory)
  const refused = async (args: readonly string[], message: RegExp) => {
    assert.match(await refusal(lab.program(['import', ...args])), message)
    assert.deepEqual(await contents(lab.directory), before)
  }
  const data = ['--data', 'old-data']
  const from = ['--from', 'old.sqlite']
  await refused(['--from', 'none', ...data, ...target], /there is no file none; --from is the/)
  await refused(['--from', '.', ...data, ...target], /\. is not a file; --from is the database/)
  await refused(['--from', 'text', ...data, ...target], /cannot read text: file is not a database/)
  await refused(['--from', 'other.sqlite', ...data, ...target], /2\.2\.3: it has no table jobs$/)
  await refused(
    ['--from', 'alike.sqlite', ...data, ...target],
    /it has no column user_id, service, loc, dest_id, created_at in its table jobs$/,
  )
  await refused([...from, '--data', 'none', ...target], /none is not a directory; --data is/)
  await refused([...from, '--data', 'text', ...target], /text is not a directory; --data is/)
  for (const same of ['old.sqlite', 'link.sqlite']) {
    await refused(
      [...from, ...data, '--db-path', same, '--data-path', 'new'],
      /--db-path is the very file old\.sqlite, which is only read: give another --db-path/,
    )
  }
  for (const inside of ['old-data', 'old-data/new/deep']) {
    await refused(
      [...from, ...data, '--db-path', 'new.sqlite', '--data-path', inside],
      /--data-path is old-data itself or inside it, which is only read: give another/,
    )
  }
})

test('a database of ours that is in use, or has other jobs, is refused', async () => {
  await using lab = await Lab.create()
  using old = new OldInstallation(lab.directory)
  for (let index = 0; index < 9; index++) old.add('failed')
  old.database.close()
  const { api, program } = await lab.server({ services: { example: ['http://127.0.0.1:9'] } })
  await api.upload('true')
  assert.match(await refusal(lab.program(usual)), /another job-orchestrator is using .*server/)
  await program.stop()
  const message = /other jobs under ids that are to be imported \(1: 1\): import into one that is/
  assert.match(await refusal(lab.program(usual)), message)
  assert.match(await refusal(lab.program([...usual, '--dry-run'])), message)
  const self = ['import', '--from', 'server.sqlite', '--data', 'old-data']
  assert.match(
    await refusal(lab.program([...self, '--db-path', 'n.sqlite', '--data-path', 'n'])),
    /server\.sqlite is a database of this version already; --from is the database of 2\.2\.3$/,
  )
})

test('all faults of the command line are told at once', async () => {
  await using lab = await Lab.create()
  const program = lab.program(['import', '--fron', 'x', '--max-age', 'soon', '--data', '', 'more'])
  assert.equal(await program.exit(), 2)
  assert.deepEqual(program.errors.trimEnd().split('\n'), [
    'job-orchestrator import: the configuration has 5 faults:',
    '  --fron is not known; see job-orchestrator import --help',
    '  --data needs a value',
    '  "more" means nothing here; see job-orchestrator import --help',
    "  --from is missing: 2.2.3's database (its DB_PATH); it is only read",
    '  --max-age: expected a time such as 10d, 5min, 500ms or seconds, got "soon"',
  ])
  const help = lab.program(['import', '--help'])
  assert.equal(await help.exit(), 0)
  for (const flag of ['--from', '--data', '--db-path', '--data-path', '--dry-run', 'DB_PATH']) {
    assert.ok(help.output.includes(flag), flag)
  }
})
