/** What `job-orchestrator restore` finds where it restores to, and what it makes of it. */
import assert from 'node:assert/strict'
import {
  copyFile,
  cp,
  mkdir,
  readFile,
  readdir,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { backUp, loseDatabase, placesOf, restore, told } from './harness/backups.ts'
import { ensureCommand } from './harness/debian.ts'
import { Hold } from './harness/held.ts'
import { Lab } from './harness/lab.ts'
import { refusal } from './harness/refusal.ts'
import { killAt, oneThread } from './harness/strace.ts'

/** Where no client is. */
const nobody = { services: { example: ['http://127.0.0.1:1'] } }
const usual = ['restore', '--from', 'backup', ...placesOf()]

const jobsIn = (lab: Lab, name = 'server') => join(lab.directory, name, 'jobs')

/** Where the only restore of a lab has set things aside. */
async function asideIn(lab: Lab): Promise<string> {
  const root = join(jobsIn(lab), 'aside')
  const names = await readdir(root)
  assert.equal(names.length, 1)
  return join(root, names[0] ?? '')
}

test('jobs whose files are nowhere fail or are cleaned, and say so', async () => {
  await using lab = await Lab.create()
  const { api, program } = await lab.pair({ env: { SERVICE_EXAMPLE_MAX_RUNS: '1' } })
  const whole = await api.run('true')
  const noResult = await api.run('true')
  const stale = await api.run('true')
  const hold = new Hold(lab)
  const running = await api.upload(hold.wait)
  await api.reached(running, 'Running')
  const queued = await api.upload('true')
  const killed = await api.upload('true')
  await api.terminate(killed)
  await backUp(lab, 'backup', '--database-only')
  await program.stop()
  const jobs = jobsIn(lab)
  await rm(join(jobs, String(noResult.id), 'result.1.zip'))
  // Of the same name, and even of the same size.
  const file = join(jobs, String(stale.id), 'result.1.zip')
  const another = Buffer.from(await readFile(file)).fill('x')
  await writeFile(file, another)
  for (const id of [running, queued, killed]) await rm(join(jobs, String(id)), { recursive: true })
  const said = await restore(lab)
  assert.equal(told(said, 'jobs whose files were there'), '1')
  assert.equal(told(said, 'jobs without files, now Failed'), '2')
  assert.equal(told(said, 'jobs without files, now Cleaned'), '3')
  assert.match(said, /^5 jobs could not be brought back whole:$/m)
  const aside = await asideIn(lab)
  assert.deepEqual(await readFile(join(aside, String(stale.id), 'result.1.zip')), another)

  const { api: restored } = await lab.server(nobody)
  const nowhere = 'neither in the backup that was restored nor in DATA_PATH'
  for (const id of [running, queued]) {
    const job = await restored.job(id)
    const message = `its uploaded files were ${nowhere}; send it again`
    assert.deepEqual([job.status, job.message], ['Failed', message])
    assert.equal(job.history.at(-1)?.reason, message)
  }
  for (const [id, message] of [
    [noResult.id, `it was Completed; its result was ${nowhere}`],
    [stale.id, `it was Completed; its result was ${nowhere}`],
  ] as const) {
    const job = await restored.job(id)
    assert.deepEqual([job.status, job.message], ['Cleaned', message])
    assert.match(job.history.at(-1)?.reason ?? '', /; its result had \d+ bytes, SHA-256 /)
  }
  assert.equal((await restored.job(killed)).status, 'Cleaned')
  assert.equal((await restored.files(whole.id)).size > 0, true)
  assert.equal((await restored.health()).services[0]?.active, 0)
  await readFile(join(aside, String(stale.id), 'result.1.zip'))
})

test('what has the id of a job and is not its own is set aside', async () => {
  await using lab = await Lab.create()
  const { api, program } = await lab.pair()
  const one = await api.run('echo one > whose.txt')
  await backUp(lab)
  await program.stop()
  const own = join(jobsIn(lab), String(one.id))
  // Other inputs, and a result of an attempt that the backup knows nothing of.
  await writeFile(join(own, 'input', 'run.sh'), 'echo two > whose.txt')
  await writeFile(join(own, 'result.7.zip'), 'two')
  const first = await restore(lab)
  assert.equal(told(first, 'set aside, directories of jobs'), '1')
  assert.match(told(first, 'jobs whose files came from the backup'), /^1, /)
  const aside = join(await asideIn(lab), String(one.id))
  assert.equal(await readFile(join(aside, 'input', 'run.sh'), 'utf8'), 'echo two > whose.txt')
  assert.deepEqual((await readdir(own)).toSorted(), ['input', 'result.1.zip'])
  await writeFile(join(own, 'result.7.zip'), 'two')
  const second = await restore(lab)
  assert.equal(told(second, 'set aside, other results'), '1')
  assert.equal(told(second, 'jobs whose files were there'), '1')
  assert.deepEqual((await readdir(own)).toSorted(), ['input', 'result.1.zip'])
  const { api: restored } = await lab.server(nobody)
  const files = await restored.files(one.id)
  assert.equal(files.get('whose.txt')?.content.toString(), 'one\n')
})

test('a server that was begun anew meanwhile is set aside, its jobs and ids too', async () => {
  await using lab = await Lab.create()
  const { api, program, client } = await lab.pair()
  const lost = await api.run('echo old > whose.txt')
  await backUp(lab)
  await program.stop()
  await loseDatabase(lab)
  await rename(join(lab.directory, 'server'), join(lab.directory, 'burnt'))
  const services = { example: [client.address] }
  const anew = await lab.server({ services })
  const young = [await anew.api.run('echo new > whose.txt'), await anew.api.run('true')]
  assert.equal(young[0]?.id, lost.id)
  await anew.program.stop()
  const said = await restore(lab)
  assert.equal(told(said, 'set aside, directories of jobs'), '2')
  assert.equal(told(said, 'next id'), '1000003')
  const kept = told(said, 'set aside, database')
  {
    using database = new DatabaseSync(kept)
    assert.equal(database.prepare('select count(*) as n from jobs').get()?.['n'], 2)
  }
  const restored = await lab.server({ services })
  const files = await restored.api.files(lost.id)
  assert.equal(files.get('whose.txt')?.content.toString(), 'old\n')
  assert.equal((await restored.api.get(`/download/${young[1]?.id}`)).status, 404)
  assert.equal((await restored.api.run('true')).id, 1_000_003)
  // What was set aside is nobody's, and nobody removes it.
  const aside = await asideIn(lab)
  assert.deepEqual((await readdir(aside)).toSorted(), ['1', '2'])
})

test("another server's files are not taken for those of a job with the same id", async () => {
  await using lab = await Lab.create()
  const old = await lab.server(nobody)
  const id = await old.api.upload('echo old')
  await backUp(lab, 'backup', '--database-only')
  await old.program.stop()
  await loseDatabase(lab)
  await rm(join(lab.directory, 'server'), { recursive: true })
  const anew = await lab.server(nobody)
  assert.equal(await anew.api.upload('echo new'), id)
  await anew.program.stop()
  const said = await restore(lab)
  assert.equal(told(said, 'jobs without files, now Failed'), '1')
  const script = join(await asideIn(lab), String(id), 'input', 'run.sh')
  assert.equal(await readFile(script, 'utf8'), 'echo new')
})

test('a damaged database, one with a journal and a link are replaced and kept', async () => {
  await using lab = await Lab.create()
  const { api, program } = await lab.pair()
  const one = await api.run('true')
  await backUp(lab)
  const two = await api.run('true')
  // All that came after the backup is in its journal.
  await program.stop('SIGKILL')
  const real = join(lab.directory, 'real.sqlite')
  const link = join(lab.directory, 'server.sqlite')
  for (const part of ['', '-wal', '-shm']) await rename(link + part, real + part).catch(() => {})
  await symlink('real.sqlite', link)
  const first = await restore(lab)
  assert.equal(told(first, 'next id'), String(two.id + 1))
  assert.match(told(first, 'set aside, database'), /\/real\.sqlite\.before-restore-\w+$/)
  await writeFile(real, 'garbage '.repeat(1000))
  // It would be applied to whatever database has that name.
  await writeFile(`${real}-wal`, 'journal')
  const second = await restore(lab)
  assert.equal(told(second, 'next id'), String(two.id + 1 + 1_000_000))
  const aside = told(second, 'set aside, database')
  assert.match(await readFile(aside, 'utf8'), /^garbage /)
  assert.equal(await readFile(`${aside}-wal`, 'utf8'), 'journal')
  const again = await lab.server(nobody)
  assert.equal((await again.api.job(one.id)).status, 'Completed')
  assert.equal((await again.api.get(`/jobs/${two.id}`)).status, 404)
})

test('what is in the way of a restore is said in one line, and nothing is changed', async () => {
  await using lab = await Lab.create()
  const { api, program } = await lab.server(nobody)
  const id = await api.upload('true')
  await backUp(lab)
  const running = /another job-orchestrator is using \S+: a server has to be stopped before a rest/
  assert.match(await refusal(lab.program(usual)), running)
  await program.stop()
  const before = await readFile(join(lab.directory, 'server.sqlite'))
  const backup = join(lab.directory, 'backup', 'db.sqlite')
  const whole = await readFile(backup)
  const refused = async (why: RegExp, args: readonly string[] = usual) =>
    assert.match(await refusal(lab.program(args)), why)
  await mkdir(join(lab.directory, 'empty'))
  await refused(
    /empty has no file db\.sqlite; --from is a directory that job-orchestrator backup/,
    ['restore', '--from', 'empty', ...placesOf()],
  )
  await copyFile(join(lab.directory, 'server.sqlite'), join(lab.directory, 'server', 'db.sqlite'))
  const own = ['restore', '--from', 'server', ...placesOf()]
  await refused(/server is where the server has its own: give the --from$/, own)
  await writeFile(backup, whole.subarray(0, whole.length / 2))
  await refused(/cannot restore: \S+db\.sqlite is damaged.*; nothing was changed$/)
  await writeFile(backup, 'garbage '.repeat(1000))
  await refused(/cannot restore: \S+db\.sqlite is damaged: file is not a database; nothing was/)
  await writeFile(backup, whole)
  {
    using database = new DatabaseSync(backup)
    database.exec('pragma user_version = 1000')
  }
  await refused(/db\.sqlite was made by a newer job-orchestrator \(version 1000 .*; upgrade this/)
  await writeFile(backup, whole)
  const owner = join(lab.directory, 'backup', 'jobs', 'server')
  await writeFile(owner, 'f'.repeat(16))
  await refused(/the files in \S+backup\/jobs are not those of the db\.sqlite beside it; nothing/)
  {
    using database = new DatabaseSync(join(lab.directory, 'bookmarks.sqlite'))
    database.exec('create table bookmarks (url text)')
  }
  await refused(/bookmarks\.sqlite is the database of another program; give another --db-path$/, [
    ...usual.slice(0, 3),
    '--db-path',
    'bookmarks.sqlite',
  ])
  assert.deepEqual(await readFile(join(lab.directory, 'server.sqlite')), before)
  const left = (await readdir(lab.directory)).filter((name) => /restor/.test(name))
  assert.deepEqual(left, [])
  const again = await lab.server(nobody)
  assert.equal((await again.api.job(id)).status, 'Queued')
})

test('a restore that is cut short anywhere has changed nothing, or is finished by another', async (t) => {
  const missing = await ensureCommand('strace')
  if (missing !== undefined) {
    t.skip(missing)
    return
  }
  await using lab = await Lab.create()
  const { api, program } = await lab.pair()
  const jobs = [await api.run('true'), await api.run('true'), await api.run('true')]
  const ids = jobs.map(({ id }) => id)
  await backUp(lab)
  const later = await api.run('true')
  await program.stop()
  // Something of every kind is to be done.
  await rm(join(jobsIn(lab), String(ids[0])), { recursive: true })
  await rm(join(jobsIn(lab), String(ids[1]), 'result.1.zip'))
  await writeFile(join(jobsIn(lab), String(ids[2]), 'result.7.zip'), 'of nobody')
  const steps = await trace(lab, 'copy0')
  assert.ok(steps > 10, `only ${steps} renames`)
  const firstHalf = 5
  const cut = async (when: number) => {
    const name = `copy${when}`
    const through =
      when > steps
        ? killAt('unlink', 1, '-P', join(jobsIn(lab, name), 'restoring'))
        : killAt('rename', when)
    await copyServer(lab, name)
    const args = ['restore', '--from', `backup${when}`, ...placesOf(name)]
    const killed = lab.program(args, oneThread, through)
    assert.equal(await killed.exit(), 'SIGKILL', killed.said)
    const root = jobsIn(lab, name)
    const isHalf = (await readdir(root)).includes('restoring')
    assert.equal(isHalf, when >= firstHalf)
    const start = ['server', '--port', '0', ...placesOf(name)]
    if (isHalf) {
      const message = /a restore into \S+jobs was cut short: run job-orchestrator restore once more/
      assert.match(await refusal(lab.program(start)), message)
      if (when === firstHalf) {
        const backup = ['backup', '--to', 'x', ...placesOf(name)]
        assert.match(await refusal(lab.program(backup)), message)
      }
    } else {
      const old = await lab.server({ name, ...nobody })
      assert.equal((await old.api.job(later.id)).status, 'Completed')
      assert.equal((await old.api.files(later.id)).size > 0, true)
      assert.equal(await old.program.stop(), 0)
    }
    const said = await restore(lab, `backup${when}`, name)
    assert.equal(told(said, 'next id'), String(later.id + 1), said)
    const restored = await lab.server({ name, ...nobody })
    for (const id of ids) {
      assert.equal((await restored.api.job(id)).status, 'Completed')
      assert.equal((await restored.api.files(id)).size > 0, true, `job ${id} after ${when}`)
    }
    assert.equal((await restored.api.get(`/jobs/${later.id}`)).status, 404)
    assert.equal(await restored.program.stop(), 0)
    const left = await readdir(root)
    const expected = [...ids.map(String), 'aside', 'incoming', 'lock', 'server'].toSorted()
    assert.deepEqual(left.toSorted(), expected)
    assert.deepEqual(await readdir(join(root, 'incoming')), [])
    const asides = (await readdir(join(root, 'aside'), { recursive: true })).toSorted()
    assert.ok(
      asides.some((path) => path.endsWith(`/${later.id}/result.1.zip`)),
      asides.join(),
    )
    assert.ok(asides.some((path) => path.endsWith('/result.7.zip')))
  }
  // The mark is made by the one before, after three copies; and at last all is done, but for it.
  const half = Array.from({ length: steps + 2 - firstHalf }, (_, index) => firstHalf + index)
  const left = [1, firstHalf - 1, ...half].values()
  const work = async () => {
    for (const when of left) await cut(when)
  }
  await Promise.all([work(), work(), work()])
})

/** A server of its own, with a backup of its own, to be restored. */
async function copyServer(lab: Lab, name: string): Promise<void> {
  const preserveTimestamps = true
  const at = (file: string) => join(lab.directory, file)
  await cp(at('server'), at(name), { recursive: true, preserveTimestamps })
  await cp(at('backup'), at(name.replace('copy', 'backup')), {
    recursive: true,
    preserveTimestamps,
  })
  await copyFile(at('server.sqlite'), at(`${name}.sqlite`))
}

/** How many times a restore renames, all from one thread. */
async function trace(lab: Lab, name: string): Promise<number> {
  await copyServer(lab, name)
  const log = join(lab.directory, 'trace')
  const through = ['strace', '-f', '-qq', '-o', log, '-e', 'trace=rename']
  const args = ['restore', '--from', 'backup0', ...placesOf(name)]
  const program = lab.program(args, oneThread, through)
  assert.equal(await program.exit(), 0, program.said)
  const lines = (await readFile(log, 'utf8')).split('\n').filter((line) => /rename\(/.test(line))
  assert.equal(new Set(lines.map((line) => line.split(' ')[0])).size, 1)
  return lines.length
}
