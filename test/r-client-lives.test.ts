/** A 2.2.3 client that loses its memory, and all that comes back or does not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { markerOf } from '../src/domain/marker.ts'
import { form } from './harness/api.ts'
import { clientAt } from './harness/client-at.ts'
import { Hold } from './harness/held.ts'
import { Lab, until } from './harness/lab.ts'
import type { ServerUnderTest } from './harness/lab.ts'
import { json, RClient, trap } from './harness/r-client.ts'

/** Two jobs that run there until they are let go, as payloads 1 and 2. */
async function runTwo({ api }: ServerUnderTest, hold: Hold): Promise<[number, number]> {
  const script = (name: string) => `${trap}echo ${name} > out; ${hold.wait}`
  const ids: [number, number] = [await api.upload(script('a')), await api.upload(script('b'))]
  await Promise.all(ids.map((id) => api.reached(id, 'Running')))
  return ids
}

/** Every job was sent again once, and has its own result. */
async function assertSentAgain(
  { api }: ServerUnderTest,
  ids: readonly number[],
  expected = 2,
): Promise<void> {
  for (const [index, id] of ids.entries()) {
    const job = await api.ended(id)
    assert.equal(job.status, 'Completed', job.message)
    // What was not taken counts nothing.
    const taken = job.attempts.filter(({ payload }) => payload !== null)
    assert.equal(taken.length, expected, JSON.stringify(job.attempts))
    const out = (await api.files(id)).get('out')?.content.toString()
    assert.equal(out, ['a\n', 'b\n'][index])
  }
}

test('ids that begin again are a new life: all that was sent before is sent again', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const server = await lab.server({ services: { example: [client.address] } })
  const { api, program } = server
  const hold = new Hold(lab)
  const ids = await runTwo(server, hold)
  // It shall be known from the id alone.
  client.beforeReply = (_asked, response) => json(response, 500, {})
  client.forget()
  const third = await api.upload(`${trap}echo c > out`)
  await program.line(({ msg }) => /has lost its memory \(it gave id 1 again\)/.test(msg))
  client.beforeReply = () => {}
  await hold.release()
  await assertSentAgain(server, ids)
  const job = await api.ended(third)
  assert.equal(job.status, 'Completed', job.message)
  assert.equal(job.attempts.length, 1)
  assert.equal((await api.files(third)).get('out')?.content.toString(), 'c\n')
  assert.equal(
    program.lines.filter(({ msg }) => /^client .* has lost its memory/.test(msg)).length,
    1,
    program.said,
  )
})

test('a payload that is not known any more is a new life: all is sent again', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const server = await lab.server({ services: { example: [client.address] } })
  const hold = new Hold(lab)
  const ids = await runTwo(server, hold)
  // Nothing of the new life is known while the old one's payloads are lost.
  const both = () => client.submissions.length === 4
  client.beforeAnswer = () => until('both were sent again', both)
  client.forget()
  const { program } = server
  await program.line(({ msg }) => /has lost its memory \(it does not know payload/.test(msg))
  await until('both were sent again', both)
  await hold.release()
  await assertSentAgain(server, ids)
  assert.equal(
    program.lines.filter(({ msg }) => /^client .* has lost its memory/.test(msg)).length,
    1,
  )
})

test("another server's payload under the old id is not taken for ours, however it ends", async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const server = await lab.server({ services: { example: [client.address] } })
  const { api } = server
  client.isHeld = true
  const ids = [
    await api.upload(`${trap}echo a > out`),
    await api.upload(`${trap}echo b > out`),
  ] as const
  await Promise.all(ids.map((id) => api.reached(id, 'Submitted')))
  client.forget()
  const strangers = await Promise.all([
    client.addStranger({ 'run.sh': `${trap}echo stranger > out` }),
    client.addStranger({ 'run.sh': `${trap}echo stranger > out; exit 3` }),
  ])
  assert.deepEqual(strangers, [1, 2])
  client.isHeld = false
  await assertSentAgain(server, ids)
  const outcomes = await Promise.all(
    ids.map(async (id) => (await api.job(id)).attempts[0]?.outcome),
  )
  for (const outcome of outcomes) assert.match(String(outcome), /result of another payload/)
})

test("another server's payload under the old id is not killed for ours", async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const { api } = await lab.server({ services: { example: [client.address] } })
  const hold = new Hold(lab)
  const id = await api.upload(`${trap}${hold.wait}`)
  await api.reached(id, 'Running')
  await until('its process is known', () => client.requests.length >= 4)
  client.forget()
  await client.addStranger({ 'run.sh': `${trap}${hold.wait}` })
  await api.terminate(id)
  const job = await api.ended(id)
  assert.equal(job.status, 'Killed')
  assert.deepEqual(
    client.requests.filter((request) => request.startsWith('POST /kill')),
    [],
  )
  assert.notEqual(client.status(1), 'Killed')
  await hold.release()
})

test('a directory of an earlier payload is not given to a user, nor its exit code', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const { api } = await lab.server({ services: { example: [client.address] } })
  const first = await api.run(`${trap}echo secret > other; echo done > out`)
  assert.equal(first.status, 'Completed', first.message)
  client.forget('data stays')
  const hold = new Hold(lab)
  const id = await api.upload(`${trap}${hold.wait}; echo new > out`)
  await api.reached(id, 'Running')
  const asked = client.requests.length
  await until('it was looked at', () => client.requests.length > asked + 3)
  assert.equal(client.status(1), 'Running')
  await hold.release()
  const job = await api.ended(id)
  assert.equal(job.status, 'Completed', job.message)
  assert.match(String(job.attempts[0]?.outcome), /directory of an earlier payload/)
  const files = await api.files(id)
  assert.equal(files.get('out')?.content.toString(), 'new\n')
  assert.equal(files.has('other'), false)
})

test('answers that come in another order are no new life', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const { api, program } = await lab.server({ services: { example: [client.address] } })
  await api.run(`${trap}true`)
  const answers: (() => void)[] = []
  client.beforeAnswer = (_response, id) => new Promise((resolve) => (answers[id - 2] = resolve))
  const ids = await Promise.all(
    ['a', 'b', 'c'].map((name) => api.upload(`${trap}echo ${name} > out`)),
  )
  await until('all are there', () => answers.filter(Boolean).length === 3)
  for (const [index, answer] of answers.toReversed().entries()) {
    answer()
    await until('it is taken', async () => {
      const jobs = await Promise.all(ids.map((id) => api.job(id)))
      return jobs.filter(({ status }) => status !== 'Processing').length === index + 1
    })
  }
  for (const [index, id] of ids.entries()) {
    const job = await api.ended(id)
    assert.equal(job.status, 'Completed', job.message)
    assert.equal(job.attempts.length, 1)
    assert.equal((await api.files(id)).get('out')?.content.toString(), `${'abc'[index]}\n`)
  }
  assert.equal(client.submissions.length, 4)
  assert.equal(
    program.lines.filter(({ msg }) => /^client .* has lost its memory/.test(msg)).length,
    0,
  )
})

test('a client that lost its memory while our server was away is found out', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const settings = { services: { example: [client.address] } }
  const before = await lab.server(settings)
  client.isHeld = true
  const ids = [
    await before.api.upload(`${trap}echo a > out`),
    await before.api.upload(`${trap}echo b > out`),
  ] as const
  await Promise.all(ids.map((id) => before.api.reached(id, 'Submitted')))
  await before.program.stop('SIGKILL')
  client.forget()
  await client.addStranger({ 'run.sh': `${trap}echo stranger > out` })
  client.isHeld = false
  await assertSentAgain(await lab.server(settings), ids)
})

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`what is there goes on and ends once when our server is ended by ${signal}`, async () => {
    await using lab = await Lab.create()
    await using client = await RClient.create()
    const settings = { services: { example: [client.address] } }
    const before = await lab.server(settings)
    const hold = new Hold(lab)
    const running = await before.api.upload(`${trap}echo a > out; ${hold.wait}`)
    await before.api.reached(running, 'Running')
    client.isHeld = true
    const submitted = await before.api.upload(`${trap}echo b > out`)
    await before.api.reached(submitted, 'Submitted')
    await before.program.stop(signal)
    client.isHeld = false
    await hold.release()
    const { api } = await lab.server(settings)
    for (const id of [running, submitted]) {
      const job = await api.ended(id)
      assert.equal(job.status, 'Completed', job.message)
      assert.equal(job.attempts.length, 1)
    }
    assert.equal(client.submissions.length, 2)
  })
}

test('what was being sent when our server ended is sent again, and counts as lost', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const settings = { services: { example: [client.address] } }
  const before = await lab.server(settings)
  const reached = Promise.withResolvers<void>()
  client.beforeAnswer = () => {
    reached.resolve()
    return new Promise(() => {}) // it never answers
  }
  const id = await before.api.upload(`${trap}echo a > out`)
  await reached.promise
  await before.program.stop('SIGKILL')
  client.beforeAnswer = () => {}
  const server = await lab.server(settings)
  await assertSentAgain(server, [id], 1)
  const job = await server.api.job(id)
  assert.equal(job.attempts[0]?.outcome, 'its client may have it, but cannot tell')
})

test('a client that was upgraded is found, and what was there is run again', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const server = await lab.server({ services: { example: [client.address] } })
  const hold = new Hold(lab)
  const ids = await runTwo(server, hold)
  await client.stop()
  await clientAt(lab, client.port)
  await until('it is known for what it is', async () => {
    const { services } = await server.api.health()
    const [at] = services[0]?.clients ?? []
    return at?.reachable === true && at.older !== true
  })
  await hold.release()
  await assertSentAgain(server, ids)
})

test('a newer client refuses what was meant for a 2.2.3 client that was there before', async () => {
  await using lab = await Lab.create()
  const { address } = await lab.client()
  const { name, content } = markerOf(`0011223344556677-${'ab'.repeat(16)}`)
  const files = { 'run.sh': `${trap}true`, [name]: content }
  const response = await fetch(`${address}/submit`, { method: 'POST', body: form(files, {}) })
  assert.equal(response.status, 503)
  assert.match(((await response.json()) as { message: string }).message, /no client of version 2/)
  // A 2.2.3 server sends no markers.
  const body = form({ 'run.sh': `${trap}true` }, {})
  assert.equal((await fetch(`${address}/submit`, { method: 'POST', body })).status, 200)
})
