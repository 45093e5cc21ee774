/** Ending a job in each of its statuses. */
import assert from 'node:assert/strict'
import { access, readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { form } from './harness/api.ts'
import type { Api } from './harness/api.ts'
import { Gate } from './harness/gate.ts'
import { Lab, until } from './harness/lab.ts'
import { Network } from './harness/network.ts'
import { isGone } from './harness/processes.ts'

const large = new Uint8Array(32 * 1024 * 1024)

/** Terminates a job; on a busy machine its end may come after the answer. */
async function kill(api: Api, id: number): Promise<void> {
  const { status, body } = await api.terminate(id)
  if (status !== 202) assert.deepEqual([status, body.status], [200, 'Killed'], body.message)
  const job = await api.ended(id)
  assert.deepEqual([job.status, job.message], ['Killed', 'job terminated'])
}

/** Directories of payloads that a client holds, and of those that it is receiving. */
async function held(lab: Lab): Promise<{ payloads: string[]; incoming: string[] }> {
  const root = join(lab.directory, 'client', 'payloads')
  const payloads = (await readdir(root)).filter((name) => /^\d+$/.test(name))
  return { payloads, incoming: await readdir(join(root, 'incoming')) }
}

const isReceiving = async (lab: Lab) => (await held(lab)).incoming.length > 0

/** A script that writes its process id to a file when it has begun, and then does something. */
const announcing = (file: string, script: string) =>
  `echo $$ > '${file}.part' && mv '${file}.part' '${file}'\n${script}`

async function announced(file: string): Promise<number> {
  const read = () => readFile(file, 'utf8').catch(() => '')
  await until('the script has begun', async () => (await read()) !== '')
  return Number(await read())
}

test('a queued job is Killed at once, and is never sent', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair({ env: { SERVICE_EXAMPLE_RUNS_PER_USER: '1' } })
  await using gate = await Gate.create(lab.directory)
  const mark = join(lab.directory, 'started')
  const first = await api.upload(gate.wait)
  await api.reached(first, 'Running')
  const second = await api.upload(`touch '${mark}'`)
  const third = await api.upload('true')
  const answer = await api.terminate(second)
  assert.deepEqual(answer, {
    status: 200,
    body: { id: second, status: 'Killed', message: 'job terminated' },
  })
  const job = await api.job(second)
  assert.deepEqual(
    job.history.map(({ to }) => to),
    ['Queued', 'Killed'],
  )
  assert.deepEqual(job.attempts, [])
  await gate.open()
  assert.equal((await api.ended(first)).status, 'Completed')
  assert.equal((await api.ended(third)).status, 'Completed')
  await assert.rejects(access(mark))
  assert.deepEqual([...(await api.files(second, 'download_partial')).keys()], ['run.sh'])
})

test('a job that is being sent is Killed, and nothing of it stays at the client', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const mark = join(lab.directory, 'started')
  const id = await api.upload({ 'large.bin': large, 'run.sh': `touch '${mark}'` })
  await until('the client receives it', () => isReceiving(lab))
  await kill(api, id)
  assert.equal((await api.run('true')).status, 'Completed')
  await until('nothing is left', async () => {
    const { payloads, incoming } = await held(lab)
    return payloads.length === 0 && incoming.length === 0
  })
  await assert.rejects(access(mark))
})

test('a job whose sending got stuck in the network is Killed too', async () => {
  await using lab = await Lab.create()
  const client = await lab.client()
  await using network = await Network.to(client.address)
  const { api } = await lab.server({ services: { example: [network.address] } })
  network.hold()
  const id = await api.upload({ 'large.bin': large, 'run.sh': 'true' })
  await until('the client receives it', () => isReceiving(lab))
  await kill(api, id)
  network.release()
  await until('nothing is left', async () => {
    const { payloads, incoming } = await held(lab)
    return payloads.length === 0 && incoming.length === 0
  })
})

test('a submitted job that waits at the client never starts', async () => {
  await using lab = await Lab.create()
  const client = await lab.client({ args: ['--slots', '1'] })
  await using network = await Network.to(client.address)
  const { api } = await lab.server({ services: { example: [network.address] } })
  await using gate = await Gate.create(lab.directory)
  const mark = join(lab.directory, 'started')
  // While it is on its way the only slot is taken from it.
  network.hold()
  const id = await api.upload({ 'large.bin': large, 'run.sh': `touch '${mark}'` })
  await until('the client receives it', () => isReceiving(lab))
  await fetch(`${client.address}/submit`, { method: 'POST', body: form(gate.wait, {}) })
  await client.program.line(({ status }) => status === 'Running')
  network.release()
  await api.reached(id, 'Submitted')
  await kill(api, id)
  await gate.open()
  await client.program.line((line) => line['status'] === 'Completed')
  assert.equal((await api.run('true')).status, 'Completed')
  await assert.rejects(access(mark))
  assert.ok((await api.files(id, 'download_partial')).has('large.bin'))
})

test('a running job has its whole process group ended, and keeps its files', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const [leader, child] = [join(lab.directory, 'leader'), join(lab.directory, 'child')]
  const id = await api.upload(
    announcing(
      leader,
      `trap 'echo asked > asked.txt; exit 0' TERM
      bash -c "echo \\$\\$ > '${child}.part'; mv '${child}.part' '${child}'; sleep 1000" &
      wait`,
    ),
  )
  const pids = [await announced(leader), await announced(child)]
  await kill(api, id)
  for (const pid of pids) assert.ok(await isGone(pid))
  const files = await api.files(id, 'download_partial')
  assert.equal(files.get('asked.txt')?.content.toString(), 'asked\n')
  assert.equal((await api.get(`/download/${id}`)).body.status, 'Killed')
})

test('a script that ignores SIGTERM is ended by force after KILL_GRACE', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const file = join(lab.directory, 'pid')
  const stubborn = `trap '' TERM HUP INT; echo x > out.txt
    ${announcing(file, 'while true; do sleep 1000; done')}`
  const id = await api.upload(stubborn)
  const pid = await announced(file)
  const begun = performance.now()
  await kill(api, id)
  assert.ok(performance.now() - begun > 950, 'it had its time')
  assert.ok(await isGone(pid))
  assert.ok((await api.files(id, 'download_partial')).has('out.txt'))
})

test('a job that ended has its outcome told; what is no job is refused', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const completed = await api.run('true')
  const failed = await api.run('false')
  for (const { id, status } of [completed, failed]) {
    const answer = await api.terminate(id)
    assert.equal(answer.status, 409)
    assert.match(answer.body.message, new RegExp(`it is ${status}`))
    assert.equal((await api.job(id)).status, status)
  }
  const unknown = await api.terminate(12_345)
  assert.deepEqual([unknown.status, unknown.body.id, unknown.body.status], [404, 0, 'Unknown'])
  for (const id of ['0', '-1', 'abc', '1.5', '1e99', '%20']) {
    assert.equal((await api.post(`/terminate/${id}`)).status, 400, id)
  }
})

test('terminating twice at once, and again later, is one termination', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const file = join(lab.directory, 'pid')
  const id = await api.upload(announcing(file, 'sleep 1000'))
  await announced(file)
  await Promise.all([kill(api, id), kill(api, id)])
  const again = await api.terminate(id)
  assert.deepEqual([again.status, again.body.status], [200, 'Killed'])
  const { history } = await api.job(id)
  assert.equal(history.filter(({ reason }) => reason === 'terminate requested').length, 1)
  assert.equal(history.filter(({ to }) => to === 'Killed').length, 1)
})

test('while the client does not answer it is recorded, and done when the client is back', async () => {
  await using lab = await Lab.create()
  const { api, client } = await lab.pair()
  const file = join(lab.directory, 'pid')
  const id = await api.upload(announcing(file, 'sleep 1000'))
  const pid = await announced(file)
  await api.reached(id, 'Running')
  client.program.child.kill('SIGSTOP')
  const { status, body } = await api.terminate(id)
  assert.deepEqual([status, body.status], [202, 'Running'])
  assert.notEqual((await api.job(id)).terminateRequestedAt, null)
  client.program.child.kill('SIGCONT')
  assert.equal((await api.ended(id)).status, 'Killed')
  assert.ok(await isGone(pid))
})
