/** Ending what runs at a 2.2.3 client, which does not end by itself, or has not begun. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lab, until } from './harness/lab.ts'
import { isGone } from './harness/processes.ts'
import { RClient, trap } from './harness/r-client.ts'

/** A script that is gone without its trap: it stays Running there for ever. */
const vanish = `${trap}kill -9 $$`

function isKill(request: string): boolean {
  return request === 'POST /kill/1'
}

test('what runs for ever there is ended by the time limit of its service', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const { api } = await lab.server({
    services: { example: [client.address] },
    env: { SERVICE_EXAMPLE_MAX_RUNTIME: '1s' },
  })
  const job = await api.run(vanish)
  assert.equal(job.status, 'Failed')
  assert.equal(
    job.message,
    'run.sh was ended by its time limit: it ran for longer than 1 s, the most that its service allows',
  )
  assert.deepEqual([...(await api.files(job.id, 'download_partial')).keys()], ['run.sh'])
})

test('what runs for ever there holds its slot until it is terminated', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const { api } = await lab.server({
    services: { example: [client.address] },
    env: { SERVICE_EXAMPLE_MAX_RUNS: '1' },
  })
  const id = await api.upload(vanish)
  await api.reached(id, 'Running')
  const next = await api.upload(`${trap}echo hello > out`)
  await until('its script is gone', async () => {
    const [pid] = client.pids
    return pid !== undefined && (await isGone(pid))
  })
  const asked = client.requests.length
  await until('it was asked for some times', () => client.requests.length >= asked + 4)
  assert.equal((await api.job(id)).status, 'Running')
  assert.equal((await api.job(next)).status, 'Queued')
  await api.terminate(id)
  assert.equal((await api.ended(id)).status, 'Killed')
  assert.equal((await api.ended(next)).status, 'Completed')
})

test('what has not begun there is killed when it runs, and not said to be before', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const { api } = await lab.server({ services: { example: [client.address] } })
  client.isHeld = true
  const id = await api.upload(`${trap}sleep 60 & wait`)
  await api.reached(id, 'Submitted')
  const { status, body } = await api.terminate(id)
  assert.equal(status, 202)
  assert.equal(body.status, 'Submitted')
  assert.equal(client.requests.some(isKill), false)
  client.isHeld = false
  const job = await api.ended(id)
  assert.equal(job.status, 'Killed')
  assert.equal(client.pids.length, 1)
  await until('its script is dead', () => isGone(client.pids[0] ?? 0))
  assert.equal(client.requests.filter(isKill).length, 1)
})

test('the code that a killed script leaves behind makes it no success', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const { api } = await lab.server({ services: { example: [client.address] } })
  // It sees the code, which is that of the last command, before it notes the kill.
  client.beforeReply = async ({ verb }) => {
    if (verb !== 'kill') return
    process.kill(client.pids[0] ?? 0, 'SIGTERM')
    await until('it is taken for completed', () => client.status(1) === 'Completed')
  }
  const id = await api.upload(`${trap}true; sleep 60`)
  await api.reached(id, 'Running')
  await api.terminate(id)
  const job = await api.ended(id)
  assert.equal(job.status, 'Killed')
  assert.equal(job.message, 'job terminated')
})

test('a job that is terminated while it is being sent there is killed', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const { api } = await lab.server({ services: { example: [client.address] } })
  const answers: (() => void)[] = []
  client.beforeAnswer = () => new Promise((resolve) => void answers.push(resolve))
  const id = await api.upload(`${trap}sleep 60 & wait`)
  await until('it has arrived', () => answers.length === 1)
  const terminated = api.terminate(id)
  await until('it is marked', async () => /being terminated/.test((await api.job(id)).message))
  answers[0]?.()
  await terminated
  assert.equal((await api.ended(id)).status, 'Killed')
  await until('its script is dead', () => isGone(client.pids[0] ?? 0))
  assert.equal(client.submissions.length, 1)
})
