/** Files go after MAX_AGE, records stay, and nothing that is under way is touched. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import type { PayloadReply } from '../src/domain/protocol.ts'
import { form } from './harness/api.ts'
import { ensureCommand } from './harness/debian.ts'
import { Hold } from './harness/held.ts'
import { Lab, until } from './harness/lab.ts'
import type { ClientUnderTest } from './harness/lab.ts'
import { jobsOnDisk } from './harness/left.ts'
import { SlowUpload } from './harness/slow-upload.ts'
import { meddle } from './harness/strace.ts'

const run = promisify(execFile)

/** Sends a payload as a server of 2.2.3 does. */
/** Its result is opened elsewhere, where it can be held up. */
const large = 'head -c 200000 /dev/urandom > large'

async function submitKeyless(
  { address }: ClientUnderTest,
  script: string = 'true',
): Promise<number> {
  const body = form(script, {})
  const response = await fetch(`${address}/submit`, { method: 'POST', body })
  return ((await response.json()) as PayloadReply).id
}

const isRemoved = ({ program }: ClientUnderTest, id: number) =>
  program.line(({ payload, msg }) => payload === id && msg.includes('is removed'))

/** Ids of the payloads that a client has on disk. */
async function payloadsOnDisk(lab: Lab): Promise<number[]> {
  const names = await readdir(join(lab.directory, 'client', 'payloads'))
  return names.filter((name) => /^\d+$/.test(name)).map(Number)
}

test('after MAX_AGE the files go, at the server and at the client, and the record stays', async () => {
  await using lab = await Lab.create()
  const env = { MAX_AGE: '2' }
  const { client, ...first } = await lab.pair({}, { env })
  const done = await first.api.run('echo result > out')
  const failed = await first.api.run('echo no >&2; exit 3')
  assert.ok((await first.api.files(done.id)).has('out'))
  await first.program.stop()
  const { api } = await lab.server({ services: { example: [client.address] }, env })
  const payload = await submitKeyless(client)
  const late = await api.upload('true')
  for (const id of [done.id, failed.id, late]) await api.reached(id, 'Cleaned')
  await isRemoved(client, payload)
  const { changedAt, finalAt } = await api.job(late)
  assert.ok(Date.parse(changedAt) - Date.parse(finalAt ?? '') >= 2_000, 'not before')

  const message = 'it was Completed; its files were removed after 2 s'
  for (const path of [`/download/${done.id}`, `/download/${done.id}`]) {
    const { status, body } = await api.get(path)
    assert.deepEqual([status, body], [200, { id: done.id, status: 'Cleaned', message }])
  }
  const partial = await api.get(`/download_partial/${done.id}`)
  assert.deepEqual(
    [partial.status, partial.body.message],
    [404, `the files of job ${done.id} are gone: it was cleaned`],
  )
  assert.equal(
    (await api.job(failed.id)).message,
    'it was Failed (run.sh ended with exit code 3; stderr: no); its files were removed after 2 s',
  )
  const job = await api.job(done.id)
  assert.deepEqual(
    { ...job, status: 'Completed', message: '', result: done.result, changedAt: done.changedAt },
    { ...done, history: job.history },
  )
  assert.deepEqual(job.history.slice(0, -1), done.history)
  const last = job.history.at(-1)
  assert.deepEqual([last?.from, last?.to], ['Completed', 'Cleaned'])
  assert.match(last?.reason ?? '', new RegExp(`SHA-256 ${done.result?.sha256}`))
  assert.equal(job.result, null)
  assert.equal((await api.terminate(done.id)).status, 409)

  assert.equal((await fetch(`${client.address}/retrieve/${payload}`)).status, 404)
  await client.program.stop() // what is being removed is removed first
  assert.deepEqual(await payloadsOnDisk(lab), [])
  assert.ok((await api.upload('true')) > late, 'no id is given twice')
})

test('nothing of the files is left on the disk', async () => {
  await using lab = await Lab.create()
  const { api, program } = await lab.pair({ env: { MAX_AGE: '1' } })
  const { id } = await api.run('mkdir -p a/b; echo c > a/b/c')
  await api.reached(id, 'Cleaned')
  await until('its directory is gone', async () => (await jobsOnDisk(lab)).jobs.length === 0)
  assert.deepEqual(await jobsOnDisk(lab), { incoming: [], jobs: [] })
  assert.equal(await program.stop(), 0)
  const again = await lab.server({ services: { example: ['http://127.0.0.1:9'] } })
  assert.equal((await again.api.job(id)).status, 'Cleaned')
})

test('a running job and an upload in progress are not touched, however old they are', async () => {
  await using lab = await Lab.create()
  const env = { MAX_AGE: '1' }
  const { api, client } = await lab.pair({ env }, { env })
  const hold = new Hold(lab)
  const running = await api.upload(`${hold.wait}; echo whole > out`)
  await api.reached(running, 'Running')
  const upload = new SlowUpload(`${api.address}/upload`, 'echo whole > out')
  const keyless = await submitKeyless(client)
  const other = await api.run('true')
  // What began after them has become too old.
  await Promise.all([api.reached(other.id, 'Cleaned'), isRemoved(client, keyless)])
  assert.equal((await api.job(running)).status, 'Running')
  await hold.release()
  const answer = await upload.finish()
  assert.equal(answer.status, 201)
  for (const id of [running, Number(answer.body['id'])]) {
    await api.reached(id, 'Completed')
    await api.reached(id, 'Cleaned')
    const { attempts } = await api.job(id)
    assert.deepEqual(
      attempts.map(({ outcome }) => outcome),
      ['run.sh ended with exit code 0'],
    )
  }
})

test('a client keeps the result for a server that listens but does not fetch it', async () => {
  await using lab = await Lab.create()
  const { api, program, client } = await lab.pair({}, { env: { MAX_AGE: '5' } })
  const hold = new Hold(lab)
  const id = await api.upload(`${hold.wait}; echo whole > out`)
  await api.reached(id, 'Running')
  program.child.kill('SIGSTOP')
  await hold.release()
  await client.program.line(({ job, status }) => job === id && status === 'Completed')
  await isRemoved(client, await submitKeyless(client))
  program.child.kill('SIGCONT')
  const job = await api.ended(id)
  assert.deepEqual([job.status, job.attempts.length], ['Completed', 1])
})

test('a client gives up the result for a server that is away, and says so when it is back', async () => {
  await using lab = await Lab.create()
  const first = await lab.pair({}, { env: { MAX_AGE: '1' } })
  const hold = new Hold(lab)
  const ledger = join(lab.directory, 'ledger')
  const id = await first.api.upload(`${hold.wait}; echo "$ATTEMPT" >> '${ledger}'`)
  await first.api.reached(id, 'Running')
  const payload = (await first.api.job(id)).attempts[0]?.payload ?? 0
  await first.program.stop()
  await hold.release()
  const { msg } = await isRemoved(first.client, payload)
  assert.match(msg, /is removed: it ended .* ago, and its server is silent for 1 s$/)
  const { api } = await lab.server({ services: { example: [first.client.address] } })
  const job = await api.ended(id)
  assert.equal(job.status, 'Completed')
  assert.deepEqual(
    job.attempts.map(({ outcome }) => outcome),
    ['the client has it no more', 'run.sh ended with exit code 0'],
  )
  assert.equal(await readFile(ledger, 'utf8'), '1\n2\n')
})

test('what is no payload is removed at the start of a client, whatever is in it', async () => {
  await using lab = await Lab.create()
  const payloads = join(lab.directory, 'client', 'payloads')
  for (const path of ['7/work', 'incoming/a/work', 'trash/8-a/work']) {
    await mkdir(join(payloads, path), { recursive: true })
    await writeFile(join(payloads, path, 'run.sh'), 'true')
  }
  const client = await lab.client()
  assert.deepEqual(await payloadsOnDisk(lab), [])
  for (const name of ['incoming', 'trash']) {
    assert.deepEqual(await readdir(join(payloads, name)), [])
  }
  assert.equal(await client.program.stop(), 0)
})

test('whoever asks for a result as it is removed is told that it is gone', async (t) => {
  const missing = await ensureCommand('strace')
  if (missing !== undefined) return t.skip(missing)
  await using lab = await Lab.create()
  const { api, program } = await lab.pair({ env: { MAX_AGE: '2' } })
  const file = join(lab.directory, 'server/jobs/1/result.1.zip')
  const trouble = await meddle(program, 'delay_enter=10000000', 'openat', file)
  if (trouble !== undefined) return t.skip(`a process cannot be traced here: ${trouble}`)
  assert.equal((await api.run(large)).id, 1)
  const answers = await Promise.all([api.get('/download/1'), api.get('/download_partial/1')])
  assert.deepEqual(
    answers.map(({ status, body }) => [status, body.status]),
    [
      [200, 'Cleaned'],
      [404, 'Unknown'],
    ],
  )
  return undefined
})

test('so is whoever asks a client', async (t) => {
  const missing = await ensureCommand('strace')
  if (missing !== undefined) return t.skip(missing)
  await using lab = await Lab.create()
  const client = await lab.client({ env: { MAX_AGE: '2' } })
  const id = await submitKeyless(client, large)
  await client.program.line(({ payload, status }) => payload === id && status === 'Completed')
  const file = join(lab.directory, 'client/payloads', String(id), 'result.zip')
  const trouble = await meddle(client.program, 'delay_enter=10000000', 'openat', file)
  if (trouble !== undefined) return t.skip(`a process cannot be traced here: ${trouble}`)
  assert.equal((await fetch(`${client.address}/retrieve/${id}`)).status, 404)
  return undefined
})

test('a directory that cannot be removed is told once, and stops no other', async (t) => {
  await using lab = await Lab.create()
  const env = { MAX_AGE: '1' }
  const { api, program } = await lab.pair({ env })
  const hold = new Hold(lab)
  const ids = [await api.upload(hold.wait), await api.upload(hold.wait)]
  for (const id of ids) await api.reached(id, 'Running')
  const stuck = join(lab.directory, 'server', 'jobs', String(ids[0]), 'input', 'mounted')
  await mkdir(stuck)
  try {
    await run('mount', ['-t', 'tmpfs', 'tmpfs', stuck])
  } catch (error) {
    t.skip(`a file system cannot be mounted here: ${String(error).split('\n')[0]}`)
    return
  }
  try {
    await hold.release()
    const mine = ({ job, msg }: Record<string, unknown>) =>
      job === ids[0] && String(msg).includes('cannot be removed')
    await program.line(mine)
    await api.reached((await api.run('true')).id, 'Cleaned')
    await program.stop()
    assert.equal(program.lines.filter(mine).length, 1)
    assert.deepEqual((await jobsOnDisk(lab)).jobs, [String(ids[0])])
    const again = await lab.server({ services: { example: ['http://127.0.0.1:9'] }, env })
    await again.program.line(({ msg }) => /jobs\/1 is of no use and cannot be removed: /.test(msg))
  } finally {
    await run('umount', ['--lazy', stuck])
  }
})
