/** Which jobs go to a 2.2.3 client, alone in its service or beside one of ours. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { form } from './harness/api.ts'
import { Hold } from './harness/held.ts'
import { Lab } from './harness/lab.ts'
import { RClient, trap } from './harness/r-client.ts'

const bulky = { 'run.sh': `${trap}cat data/in > out`, 'data/in': 'hello\n' }

test('with 2.2.3 clients alone an upload with directories is refused, and it is said why', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const { api, program } = await lab.server({ services: { example: [client.address] } })
  await program.line(({ msg }) => /is reachable/.test(msg))
  const refused = await api.post('/upload', form(bulky, { user_id: '1', service: 'example' }))
  assert.equal(refused.status, 400)
  assert.match(refused.body.message, /are of version 2\.2\.3 and know no directories/)
  // It stays so while the client is away.
  await client.stop()
  await program.line(({ msg }) => /is not reachable/.test(msg))
  const again = await api.post('/upload', form(bulky, { user_id: '1', service: 'example' }))
  assert.equal(again.status, 400)
})

test('directories that came before the client was known wait, and keep nobody waiting', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  await client.stop()
  const { api } = await lab.server({ services: { example: [client.address] } })
  const waiting = await api.upload(bulky)
  const flat = await api.upload(`${trap}echo hello > out`)
  await client.start()
  const job = await api.ended(flat)
  assert.equal(job.status, 'Completed', job.message)
  const { body } = await api.get(`/download/${waiting}`)
  assert.equal(body.status, 'Queued')
  assert.match(body.message, /has directories, and waits for a client that is not of version 2/)
  assert.equal(client.submissions.length, 1)
})

test('in a mixed service directories go to ours, even while it is busy; others pass them', async () => {
  await using lab = await Lab.create()
  await using older = await RClient.create()
  const ours = await lab.client({ args: ['--slots', '1'] })
  const { api, program } = await lab.server({
    services: { example: [ours.address, older.address] },
    env: { SERVICE_EXAMPLE_MAX_RUNS: '200', SERVICE_EXAMPLE_RUNS_PER_USER: '200' },
  })
  const reached = [ours.address, older.address].map((at) =>
    program.line(({ msg }) => msg.startsWith(`client ${at}/submit is reachable`)),
  )
  await Promise.all(reached)
  const hold = new Hold(lab)
  const first = await api.upload({ 'run.sh': hold.wait, 'data/in': '' })
  await api.reached(first, 'Running')
  await older.stop()
  await program.line(({ msg }) => msg.startsWith(`client ${older.address}/submit is not reachable`))
  // More than one look at the queue passes over.
  const waiting = await Promise.all(Array.from({ length: 120 }, () => api.upload(bulky)))
  const behind = await api.upload(`${trap}echo hello > out`)
  await older.start()
  const flat = await api.ended(behind)
  assert.equal(flat.status, 'Completed', flat.message)
  assert.equal(flat.attempts[0]?.client, `${older.address}/submit`)
  // They came all at once, in whatever order.
  const next = Math.min(...waiting)
  assert.equal((await api.job(next)).status, 'Queued')
  await hold.release()
  const job = await api.ended(next)
  assert.equal(job.status, 'Completed', job.message)
  assert.equal(job.attempts[0]?.client, `${ours.address}/submit`)
  assert.equal((await api.files(next)).get('out')?.content.toString(), 'hello\n')
  assert.equal(older.submissions.length, 1)
})

test('a mixed service runs its jobs at both, and each gets its own result', async () => {
  await using lab = await Lab.create()
  await using older = await RClient.create()
  const ours = await lab.client()
  const { api, program } = await lab.server({
    services: { example: [ours.address, older.address] },
    env: { SERVICE_EXAMPLE_MAX_RUNS: '200', SERVICE_EXAMPLE_RUNS_PER_USER: '200' },
  })
  const reached = [ours.address, older.address].map((at) =>
    program.line(({ msg }) => msg.startsWith(`client ${at}/submit is reachable`)),
  )
  await Promise.all(reached)
  const uploads = Array.from({ length: 20 }, (_, index) => api.upload(`${trap}echo ${index} > out`))
  const at = new Map<string, number>()
  for (const [index, id] of (await Promise.all(uploads)).entries()) {
    const job = await api.ended(id)
    assert.equal(job.status, 'Completed', job.message)
    const client = String(job.attempts[0]?.client)
    at.set(client, (at.get(client) ?? 0) + 1)
    assert.equal((await api.files(id)).get('out')?.content.toString(), `${index}\n`)
  }
  assert.equal(at.size, 2, JSON.stringify([...at]))
  assert.equal(older.submissions.length, at.get(`${older.address}/submit`))
})
