/** A 2.2.3 client that answers wrongly, late or not at all: nothing is lost, and none is stormed. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Hold } from './harness/held.ts'
import { Lab, until } from './harness/lab.ts'
import { json, RClient, trap } from './harness/r-client.ts'

/** Questions about a payload so far. */
function asked(client: RClient, id: number): number {
  return client.requests.filter((request) => request === `GET /retrieve/${id}`).length
}

test('a payload is asked for about twice a second', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const { api } = await lab.server({ services: { example: [client.address] } })
  const hold = new Hold(lab)
  const ids = await Promise.all([1, 2, 3].map(() => api.upload(`${trap}${hold.wait}`)))
  await Promise.all(ids.map((id) => api.reached(id, 'Running')))
  const started = performance.now()
  const before = [1, 2, 3].map((id) => asked(client, id))
  await until('it was asked five times', () => asked(client, 1) >= (before[0] ?? 0) + 5)
  const seconds = (performance.now() - started) / 1000
  for (const [index, id] of [1, 2, 3].entries()) {
    const times = asked(client, id) - (before[index] ?? 0)
    assert.ok(times <= 2 * seconds + 2, `${times} times in ${seconds} s`)
  }
  await hold.release()
  for (const id of ids) assert.equal((await api.ended(id)).status, 'Completed')
})

test('a client that answers with 500 is asked again, less often, and told of once', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const { api, program } = await lab.server({ services: { example: [client.address] } })
  client.beforeReply = (_asked, response) => json(response, 500, {})
  const started = performance.now()
  const id = await api.upload(`${trap}echo hello > out`)
  await until('it was asked five times', () => asked(client, 1) >= 5)
  assert.ok(asked(client, 1) <= (2 * (performance.now() - started)) / 1000 + 2)
  assert.equal((await api.job(id)).status, 'Submitted')
  client.beforeReply = () => {}
  const job = await api.ended(id)
  assert.equal(job.status, 'Completed', job.message)
  assert.equal(job.attempts.length, 1)
  const told = program.lines.filter((line) => line['level'] === 40)
  assert.equal(told.length, 1, program.said)
  assert.match(String(told[0]?.msg), /job 1 could not be asked for, will be tried again: .* 500/)
})

test('a question that hangs keeps no other payload waiting, and is not asked twice', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const { api } = await lab.server({ services: { example: [client.address] } })
  const release = Promise.withResolvers<void>()
  client.beforeReply = async ({ id }, response) => {
    if (id !== 1) return
    await release.promise
    response.destroy()
  }
  const hanging = await api.upload(`${trap}echo a > out`)
  const other = await api.run(`${trap}echo b > out`)
  assert.equal(other.status, 'Completed', other.message)
  assert.equal(asked(client, 1), 1)
  client.beforeReply = () => {}
  release.resolve()
  const job = await api.ended(hanging)
  assert.equal(job.status, 'Completed', job.message)
  assert.equal((await api.files(hanging)).get('out')?.content.toString(), 'a\n')
})

test('a client that is away for a while comes back with its jobs', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const { api, program } = await lab.server({ services: { example: [client.address] } })
  const hold = new Hold(lab)
  const running = await api.upload(`${trap}${hold.wait}; echo a > out`)
  await api.reached(running, 'Running')
  await client.stop()
  await program.line(({ msg }) => / is not reachable/.test(msg))
  const queued = await api.upload(`${trap}echo b > out`)
  const { body } = await api.get(`/download/${running}`)
  assert.equal(body.status, 'Running')
  assert.match(body.message, /its client cannot be reached/)
  await hold.release()
  await client.start()
  for (const id of [running, queued]) {
    const job = await api.ended(id)
    assert.equal(job.status, 'Completed', job.message)
    assert.equal(job.attempts.length, 1)
  }
  const told = program.lines.filter(({ msg }) => / is not reachable/.test(msg))
  assert.equal(told.length, 1, program.said)
})

test('a sending whose answer is lost counts as a lost attempt; so many of them end the job', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const { api } = await lab.server({
    services: { example: [client.address] },
    args: ['--max-attempts', '3'],
  })
  let cuts = 1
  client.beforeAnswer = (response) => {
    if (cuts-- > 0) response.destroy()
  }
  const again = await api.run(`${trap}echo hello > out`)
  assert.equal(again.status, 'Completed', again.message)
  assert.equal(again.attempts.length, 2)
  cuts = 3
  const failed = await api.run(`${trap}echo hello > out`)
  assert.equal(failed.status, 'Failed')
  assert.match(failed.message, /lost 3 times/)
  assert.equal(failed.attempts.length, 3)
})

test('a sending that was cut on its way, or refused, counts nothing', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const { api } = await lab.server({
    services: { example: [client.address] },
    args: ['--max-attempts', '1'],
  })
  let cuts = 3
  client.beforeBody = async (request) => {
    if (cuts-- <= 0) return
    await once(request, 'readable')
    request.socket.destroy()
  }
  let refusals = 2
  client.beforeAnswer = (response) => {
    if (refusals-- > 0) json(response, 500, {})
  }
  const big = new Uint8Array(20_000_000)
  const job = await api.run({ 'run.sh': `${trap}rm big`, big })
  assert.equal(job.status, 'Completed', job.message)
  assert.equal(job.attempts.length, 6)
})
