/** `job-orchestrator backup`: a copy of a server, made while it runs. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { backUp, placesOf, restore, told } from './harness/backups.ts'
import { ensureCommand } from './harness/debian.ts'
import { Hold } from './harness/held.ts'
import { Lab } from './harness/lab.ts'
import { refusal } from './harness/refusal.ts'
import { openServerStore } from './harness/seed.ts'
import { killAt, oneThread } from './harness/strace.ts'

const run = promisify(execFile)

/** Every file below a directory with its bytes. */
async function contents(directory: string): Promise<Map<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile() && !entry.name.startsWith('lock'))
  const read = async (file: string) =>
    [file.slice(directory.length), (await readFile(file)).toString('base64')] as const
  const pairs = await Promise.all(files.map((file) => read(join(file.parentPath, file.name))))
  return new Map(pairs.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** A backup into a directory that cannot be used. */
const into = (to: string, ...more: string[]) => ['backup', '--to', to, ...placesOf(), ...more]

test('a backup has everything, the next one copies what is new, and what is gone goes', async () => {
  await using lab = await Lab.create()
  const { api, program } = await lab.pair()
  const hold = new Hold(lab)
  const first = await api.run({ 'run.sh': 'cat a/b.txt > out.txt', 'a/b.txt': 'hello' })
  const running = await api.upload(hold.wait)
  await api.reached(running, 'Running')
  const said = await backUp(lab)
  assert.equal(told(said, 'jobs with files'), '2')
  assert.match(told(said, 'files copied'), /^4, .* (bytes|KiB)$/)
  const root = join(lab.directory, 'backup')
  assert.deepEqual((await readdir(root)).toSorted(), ['db.sqlite', 'jobs'])
  const places = ['input/a/b.txt', 'input/run.sh', 'result.1.zip']
  for (const place of places) {
    const [own, copy] = ['server', 'backup'].map((name) =>
      join(lab.directory, name, 'jobs', String(first.id), place),
    )
    assert.deepEqual(await readFile(copy ?? ''), await readFile(own ?? ''), place)
  }
  await hold.release()
  await api.ended(running)
  const again = await backUp(lab)
  assert.match(told(again, 'files copied'), /^1, /)
  assert.equal(told(again, 'files there before'), '4')
  await program.stop()
  {
    await using store = await openServerStore(lab)
    await store.learn(first.id, { is: 'aged', maxAgeMs: 0 }, Date.now())
  }
  const later = await backUp(lab)
  assert.match(told(later, 'files copied'), /^0, /)
  assert.equal(told(later, 'jobs that are gone'), '1')
  const kept = (await readdir(join(root, 'jobs'))).toSorted()
  assert.deepEqual(kept, [String(running), 'incoming', 'lock', 'server'])
  assert.deepEqual(await readdir(join(root, 'jobs', 'incoming')), [])
  // The database alone is a backup, too.
  const alone = await backUp(lab, 'alone', '--database-only')
  assert.doesNotMatch(alone, /files/)
  await restore(lab, 'alone')
  const { api: restored } = await lab.server({ services: { example: ['http://127.0.0.1:1'] } })
  assert.equal((await restored.files(running)).size > 0, true)
})

test('a backup of a server that takes and ends jobs all the time is of one moment', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair({
    env: { SERVICE_EXAMPLE_MAX_RUNS: '8', SERVICE_EXAMPLE_RUNS_PER_USER: '8' },
  })
  let isOver = false
  const ids: number[] = []
  const upload = async () => {
    while (!isOver) ids.push(await api.upload('echo $JOB_ID > id.txt'))
  }
  const uploads = Promise.all([upload(), upload(), upload()])
  try {
    await api.ended(1)
    const atFirst = ids.length
    for (const round of [1, 2, 3]) {
      const before = ids.length
      const said = await backUp(lab)
      const saved = Number(told(said, 'jobs with files'))
      assert.ok(saved >= before, `round ${round}: ${before}, ${saved}`)
      const restored = await restore(lab, 'backup', `copy${round}`)
      assert.equal(told(restored, 'jobs without files, now Failed'), '0')
      assert.equal(told(restored, 'jobs without files, now Cleaned'), '0')
      assert.match(told(restored, 'jobs whose files came from the backup'), RegExp(`^${saved}, `))
    }
    assert.ok(ids.length > atFirst)
  } finally {
    isOver = true
    await uploads
  }
})

test('what is damaged or missing at the server is named, and what an earlier backup has stays', async () => {
  await using lab = await Lab.create()
  const { api, program } = await lab.pair()
  const [one, two, three] = [await api.run('true'), await api.run('true'), await api.run('true')]
  await backUp(lab)
  const four = await api.run('true')
  await program.stop()
  const jobs = join(lab.directory, 'server', 'jobs')
  await rm(join(jobs, String(one.id), 'input'), { recursive: true })
  await rm(join(jobs, String(two.id), 'result.1.zip'))
  await rm(join(jobs, String(three.id)), { recursive: true })
  await writeFile(join(jobs, String(four.id), 'result.1.zip'), 'another')
  const said = await backUp(lab)
  assert.match(said, /^4 jobs could not be copied whole:$/m)
  assert.match(said, RegExp(`^  job ${two.id}: its result is missing or cannot be read$`, 'm'))
  assert.match(said, RegExp(`^  job ${four.id}: its result is not what was recorded$`, 'm'))
  const restored = await restore(lab, 'backup', 'elsewhere')
  assert.match(told(restored, 'jobs whose files came from the backup'), /^3, /)
  assert.equal(told(restored, 'jobs without files, now Cleaned'), '1')
})

test('a backup that is killed or finds no room leaves the earlier one as it was', async (t) => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  await api.run('true')
  const small = join(lab.directory, 'small')
  await mkdir(small)
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', small])
  } catch (error) {
    t.skip(`a small file system cannot be mounted here: ${String(error).split('\n')[0]}`)
    return
  }
  try {
    await backUp(lab, 'small')
    const before = await contents(small)
    await api.run({ 'run.sh': 'true', big: new Uint8Array(4 * 2 ** 20) })
    const message = await refusal(lab.program(into('small')))
    assert.match(
      message,
      /cannot back up to \S+small: there is no space left on the disk; the earlier backup is as it was/,
    )
    const after = await contents(small)
    for (const [name, bytes] of before) assert.equal(after.get(name), bytes, name)
    assert.match(
      told(await restore(lab, 'small', 'copy'), 'jobs whose files came from the backup'),
      /^1, /,
    )
  } finally {
    await run('umount', ['--lazy', small])
  }
  const missing = await ensureCommand('strace')
  if (missing !== undefined) {
    t.diagnostic(missing)
    return
  }
  await backUp(lab)
  for (let index = 0; index < 3; index++) await api.run('true')
  const database = await readFile(join(lab.directory, 'backup', 'db.sqlite'))
  // Each file gets its name by a rename, and the database last of all.
  for (const when of [1, 3, 6]) {
    const killed = lab.program(into('backup'), oneThread, killAt('rename', when))
    assert.equal(await killed.exit(), 'SIGKILL', killed.said)
    assert.deepEqual(await readFile(join(lab.directory, 'backup', 'db.sqlite')), database)
    const restored = await restore(lab, 'backup', `copy${when}`)
    assert.match(told(restored, 'jobs whose files came from the backup'), /^2, /)
  }
  assert.equal(told(await backUp(lab), 'jobs with files'), '5')
  assert.deepEqual((await readdir(join(lab.directory, 'backup'))).toSorted(), ['db.sqlite', 'jobs'])
})

test('what is in the way of a backup is said in one line, and nothing is changed', async () => {
  await using lab = await Lab.create()
  assert.match(await refusal(lab.program(into('backup'))), /there is no database \S+server\.sqlite/)
  assert.deepEqual(await readdir(lab.directory), [])
  const { program } = await lab.server({ services: { example: ['http://127.0.0.1:1'] } })
  await backUp(lab)
  await mkdir(join(lab.directory, 'full'))
  await writeFile(join(lab.directory, 'full', 'db.sqlite'), 'precious')
  await writeFile(join(lab.directory, 'file'), '')
  for (const [to, why] of [
    ['full', /full is neither empty nor a backup of this server: give another --to$/],
    ['server', /server is where the server has its own: give another --to$/],
    ['server/jobs/backup', /backup is where the server has its own: give another --to$/],
    ['file', /cannot use the directory \S+file: a part of the path is not a directory$/],
  ] as const) {
    assert.match(await refusal(lab.program(into(to))), why)
  }
  assert.equal(await readFile(join(lab.directory, 'full', 'db.sqlite'), 'utf8'), 'precious')
  const other = await lab.server({ name: 'other', services: { example: ['http://127.0.0.1:1'] } })
  await other.program.stop()
  const ofOther = ['backup', '--to', 'backup', ...placesOf('other')]
  assert.match(await refusal(lab.program(ofOther)), /backup has the files of another server: give/)
  const mixed = ['--db-path', 'server.sqlite', '--data-path', 'other']
  const message = /the jobs in \S+other\/jobs belong to another database/
  assert.match(await refusal(lab.program(['backup', '--to', 'new', ...mixed])), message)
  {
    using held = new DatabaseSync(join(lab.directory, 'backup', 'jobs', 'lock'))
    held.exec('begin exclusive')
    const busy = /another job-orchestrator is using \S+backup\/jobs\/lock: wait for that backup/
    assert.match(await refusal(lab.program(into('backup'))), busy)
  }
  assert.equal((await stat(join(lab.directory, 'backup', 'db.sqlite'))).isFile(), true)
  await program.stop()
  await backUp(lab)
})
