/** Jobs and clients that make trouble. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lab } from './harness/lab.ts'
import { StandIn } from './harness/stand-in.ts'

test('a job that its client cannot take backs off, and delays no other', async () => {
  await using lab = await Lab.create()
  let payloads = 0
  await using client = await StandIn.create((body, response) => {
    if (body.includes('"userId":"poison"')) {
      response.writeHead(500).end('{"message":"internal"}')
      return
    }
    response.end(JSON.stringify({ id: ++payloads, instance: 'stand-in' }))
  })
  const { api, program } = await lab.server({
    services: { example: [client.address] },
    env: { SERVICE_EXAMPLE_MAX_RUNS: '4', SERVICE_EXAMPLE_RUNS_PER_USER: '1' },
  })
  const poison = await api.upload('true', { user: 'poison' })
  const good = await Promise.all(['a', 'b', 'c'].map((user) => api.upload('true', { user })))
  await Promise.all(good.map((id) => api.reached(id, 'Submitted')))
  const back = await program.line(
    ({ job, from, to }) => job === poison && from === 'Processing' && to === 'Queued',
  )
  assert.match(String(back['reason']), /500/)
  const { status } = await api.terminate(poison)
  assert.ok(status === 200 || status === 202)
})

test('a job waits, and counts nothing, while its client says that it has no slot', async () => {
  await using lab = await Lab.create()
  let refusals = 3
  await using client = await StandIn.create((_body, response) => {
    if (refusals-- > 0) response.writeHead(503).end('{"message":"no slot is free"}')
    else response.end(JSON.stringify({ id: 1, instance: 'stand-in' }))
  })
  const { api } = await lab.server({
    services: { example: [client.address] },
    args: ['--max-attempts', '1'],
  })
  const id = await api.upload('true')
  await api.reached(id, 'Submitted')
  const job = await api.job(id)
  assert.deepEqual(
    job.attempts.map(({ outcome }) => outcome?.replace(/^.*503: /, '') ?? null),
    ['no slot is free', 'no slot is free', 'no slot is free', null],
  )
})

test('files that the client refuses make the job invalid, and an odd answer is asked again', async () => {
  await using lab = await Lab.create()
  let odd = 2
  await using client = await StandIn.create((body, response) => {
    if (body.includes('"userId":"bad"')) {
      response.writeHead(400).end('{"message":"these files are bad"}')
    } else if (odd-- > 0) response.end('{"hello":1}')
    else response.end(JSON.stringify({ id: 1, instance: 'stand-in' }))
  })
  const { api } = await lab.server({ services: { example: [client.address] } })
  const bad = await api.run('true', { user: 'bad' })
  assert.equal(bad.status, 'Invalid')
  assert.match(bad.message, /these files are bad/)
  const id = await api.upload('true')
  await api.reached(id, 'Submitted')
  assert.equal((await api.job(id)).attempts.length, 1, 'sent again under the same key')
})
