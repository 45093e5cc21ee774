/** How a job ends, by what its script does. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { Lab, until } from './harness/lab.ts'
import { isGone } from './harness/processes.ts'
import type { ZipEntries } from './harness/zip.ts'

const text = (files: ZipEntries, name: string) => files.get(name)?.content.toString()
const details = (files: ZipEntries) =>
  JSON.parse(text(files, '.orchestrator/job.json') ?? '') as Record<string, unknown>

test('a script that ends with another code than 0 fails, and its files can be had', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const job = await api.run('echo half > half.txt; echo said; echo why >&2; exit 3')
  assert.equal(job.status, 'Failed')
  assert.equal(job.message, 'run.sh ended with exit code 3; stderr: why')

  const { status, body } = await api.get(`/download/${job.id}`)
  assert.equal(status, 200)
  assert.deepEqual(body, { id: job.id, status: 'Failed', message: job.message })

  const files = await api.files(job.id, 'download_partial')
  assert.equal(text(files, 'half.txt'), 'half\n')
  assert.equal(text(files, '.orchestrator/stdout.log'), 'said\n')
  assert.equal(text(files, '.orchestrator/stderr.log'), 'why\n')
  const { status: ended, exitCode, signal, reason } = details(files)
  assert.deepEqual([ended, exitCode, signal, reason], ['Failed', 3, null, job.message])
})

test('a script that is ended by a signal fails, and the message names the signal', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  for (const [name, code] of [
    ['SIGKILL', 137],
    ['SIGTERM', 143],
    ['SIGSEGV', 139],
  ] as const) {
    const job = await api.run(`echo here > here.txt; kill -${name} $$; sleep 1000`)
    assert.equal(job.status, 'Failed')
    assert.equal(job.message, `run.sh was ended by ${name} (exit code ${code})`)
    const files = await api.files(job.id, 'download_partial')
    assert.equal(text(files, 'here.txt'), 'here\n')
    assert.equal(details(files)['signal'], name)
  }
})

test('whatever a script does to itself, its end is its own', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const completed = async (script: string) => {
    const job = await api.run(script)
    assert.equal(job.status, 'Completed', `${script}: ${job.message}`)
    return api.files(job.id)
  }
  const failed = async (script: string) => {
    const job = await api.run(script)
    assert.equal(job.status, 'Failed', script)
    return { message: job.message, files: await api.files(job.id, 'download_partial') }
  }

  const moved = await completed('mkdir sub; cd sub; echo x > here.txt; cd /; echo "$PWD"')
  assert.equal(text(moved, 'sub/here.txt'), 'x\n')
  assert.equal(text(moved, '.orchestrator/stdout.log'), '/\n')

  assert.equal(text(await completed('exec bash -c "echo x > out.txt"'), 'out.txt'), 'x\n')
  assert.match((await failed('exec bash -c "exit 4"')).message, /exit code 4$/)

  const strict = await failed('set -e\nfalse\necho x > never.txt')
  assert.match(strict.message, /exit code 1$/)
  assert.ok(!strict.files.has('never.txt'))

  const wrong = await failed('if')
  assert.match(wrong.message, /exit code 2; stderr: .*syntax error/)
  assert.match(text(wrong.files, '.orchestrator/stderr.log') ?? '', /syntax error/)

  const empty = await completed('')
  assert.equal(text(empty, 'run.sh'), '')

  const input = await completed('read -r line; echo $? > read.txt; wc -c > count.txt')
  assert.equal(text(input, 'read.txt'), '1\n', 'stdin is at its end')
  assert.equal(text(input, 'count.txt')?.trim(), '0')
})

test('a script made for job-orchestrator 2.2.3 runs unchanged', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const trap = "trap 'echo $? > .orchestrator.exit' EXIT\n"
  const good = await api.run(`${trap}echo x > out.txt`)
  assert.equal(good.status, 'Completed')
  assert.equal(text(await api.files(good.id), '.orchestrator.exit'), '0\n')
  assert.equal(text(await api.files(good.id), 'out.txt'), 'x\n')
  const bad = await api.run(`${trap}exit 5`)
  assert.equal(bad.status, 'Failed')
  assert.match(bad.message, /exit code 5$/)
})

test('when a job is final, nothing is left of what its script started', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const script = `
    note() { echo "$1" >> pids.txt; }
    sleep 1000 & note $!
    (trap '' TERM HUP; sleep 1000) & note $!
    setsid sleep 1000 & note $!
    setsid sleep 1000 <&- >&- 2>&- 3>&- & note $!
    setsid bash -c 'trap "" TERM HUP; sleep 1000 & echo $! >> pids.txt; wait' & note $!
    (set -m; sleep 1000 3>&- & echo $! >> pids.txt)
    until [ "$(wc -l < pids.txt)" = 7 ]; do read -r -t 0.01 _ < <(sleep 1); done
    echo done`
  const job = await api.run(script)
  assert.equal(job.status, 'Completed', job.message)
  const pids = (text(await api.files(job.id), 'pids.txt') ?? '').trim().split('\n').map(Number)
  assert.equal(pids.length, 7)
  for (const pid of pids) await until(`process ${pid} is gone`, () => isGone(pid))
})

test('also what closed all its files and left for a session of its own is gone', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const job = await api.run('setsid sleep 1000 <&- >&- 2>&- 3>&- & echo $! > pid.txt')
  const pid = Number(text(await api.files(job.id), 'pid.txt'))
  await until(`process ${pid} is gone`, () => isGone(pid))
})

test('a script may write much to its output', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const job = await api.run('head -c 20000000 /dev/zero; head -c 10000000 /dev/zero >&2')
  assert.equal(job.status, 'Completed', job.message)
  const files = await api.files(job.id)
  assert.equal(files.get('.orchestrator/stdout.log')?.content.length, 20_000_000)
  assert.equal(files.get('.orchestrator/stderr.log')?.content.length, 10_000_000)
})

test('a script that stopped itself is still running, and can be terminated', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const pidFile = `${lab.directory}/pid`
  const id = await api.upload(`echo $$ > '${pidFile}.part'; mv '${pidFile}.part' '${pidFile}'
    kill -STOP $$; sleep 1000`)
  const read = () => readFile(pidFile, 'utf8').catch(() => '')
  await until('it is there', async () => (await read()) !== '')
  const pid = Number(await read())
  const state = async () => / ([A-Z]) [^)]*$/.exec(await readFile(`/proc/${pid}/stat`, 'utf8'))?.[1]
  await until('it has stopped', async () => (await state()) === 'T')
  await api.terminate(id)
  assert.equal((await api.ended(id)).status, 'Killed')
  assert.ok(await isGone(pid))
})

test('a job that its client will never take is Invalid, and the message says why', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair({}, { args: ['--max-upload-size', '1KiB'] })
  const job = await api.run({ 'run.sh': 'true', 'large.txt': 'x'.repeat(2048) })
  assert.equal(job.status, 'Invalid')
  assert.match(job.message, /larger than MAX_UPLOAD_SIZE/)
  assert.equal((await api.get(`/download/${job.id}`)).body.status, 'Invalid')
  const files = await api.files(job.id, 'download_partial')
  assert.deepEqual([...files.keys()], ['large.txt', 'run.sh'], 'what was uploaded')
  assert.equal((await api.run('true')).status, 'Completed', 'a smaller one is taken')
})
