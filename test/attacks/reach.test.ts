/** Who has a token for a user, or for a service, tries to get at the jobs of others. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JobReply } from '../../src/domain/protocol.ts'
import { form } from '../harness/api.ts'
import type { Api } from '../harness/api.ts'
import { endpointsOf } from '../harness/endpoints.ts'
import { Gate } from '../harness/gate.ts'
import { Lab } from '../harness/lab.ts'
import { jobsOnDisk } from '../harness/left.ts'
import { field, file, send, uploadRaw } from '../harness/raw.ts'
import { makeToken } from '../harness/tokens.ts'

const nobody = { example: ['http://127.0.0.1:1'], other: ['http://127.0.0.1:1'] }
const nosuch = 999_999

/** Every endpoint that takes an id tells of these jobs as of one that is not there. */
async function assertUnseen(api: Api, token: string, ids: readonly number[]): Promise<void> {
  const endpoints = (await endpointsOf(api.address)).filter(({ path }) => path.includes('{id}'))
  assert.ok(endpoints.length >= 7, `only ${endpoints.length} endpoints`)
  const headers = { authorization: `Bearer ${token}` }
  for (const { method, path } of endpoints) {
    for (const query of method === 'POST' ? [''] : ['', '?wait=60s']) {
      const ask = async (id: number) => {
        const url = `${api.address}${path.replace('{id}', String(id))}${query}`
        const { status, body, headers: got } = await send(method, url, headers)
        const said = body.toString().replace(String(id), 'ID')
        const { date: _date, 'content-length': _length, ...rest } = got
        return { status, said, rest }
      }
      const missing = await ask(nosuch)
      assert.equal(missing.status, 404)
      for (const id of ids)
        assert.deepEqual(await ask(id), missing, `${method} ${path}${query} ${id}`)
    }
  }
}

test('a user’s token sees no job of another, by any endpoint, and ends none', async () => {
  await using lab = await Lab.create()
  await using gate = await Gate.create(lab.directory)
  const { api } = await lab.pair()
  const done = await api.run('echo secret', { user: 'ada' })
  const running = await api.upload(gate.wait, { user: 'ada' })
  await api.reached(running, 'Running')
  const bob = await makeToken(lab, 'bob', 'submit,read,terminate', '--user', 'bob')
  const ada = api.as(await makeToken(lab, 'ada', 'submit,read,terminate', '--user', 'ada'))
  const own = await api.as(bob).upload('true', { user: 'bob' })
  assert.equal((await api.as(bob).ended(own)).status, 'Completed')
  await assertUnseen(api, bob, [done.id, running])
  assert.equal((await ada.job(running)).status, 'Running')
  assert.equal((await ada.job(running)).terminateRequestedAt, null)
  // Its own are as they were, for both.
  assert.equal((await api.as(bob).files(own)).has('run.sh'), true)
  assert.equal((await ada.terminate(running)).body.status, 'Killed')
})

test('ids that are counted up tell a user’s token nothing of how many there are', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.server({ services: nobody })
  for (let job = 0; job < 3; job++) await api.upload('true', { user: 'ada' })
  const bob = api.as(await makeToken(lab, 'bob', 'read', '--user', 'bob'))
  for (let id = 1; id <= 6; id++) {
    const { status, body } = await bob.get(`/jobs/${id}`)
    assert.deepEqual([status, body.message], [404, `there is no job ${id}`])
  }
})

test('a service’s token sees no job of another service', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.server({ services: nobody })
  const id = await api.upload('true', { service: 'other' })
  const own = await api.upload('true', { service: 'example' })
  const token = await makeToken(lab, 'docking', 'submit,read,terminate', '--service', 'EXAMPLE')
  await assertUnseen(api, token, [id])
  assert.equal((await api.as(token).job(own)).status, 'Queued')
  const both = await makeToken(
    lab,
    'both',
    'submit,read,terminate',
    '--user=x',
    '--service=example',
  )
  await assertUnseen(api, both, [id, own])
})

test('an upload for another user or another service is refused, and leaves nothing', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.server({ services: nobody })
  const limits = ['--user', 'bob', '--service', 'example']
  const token = await makeToken(lab, 'bob', 'submit', ...limits)
  const authorization = `Bearer ${token}`
  const script = file('run.sh', 'true')
  const [bob, example] = [field('user_id', 'bob'), field('service', 'example')]
  const refused = [
    [403, /this token is of user "bob"/, [field('user_id', 'ada'), example]],
    [403, /this token is of user "bob"/, [field('user_id', 'Bob'), example]],
    [403, /this token is of user "bob"/, [field('user_id', 'bob '), example]],
    [403, /this token is of user "bob"/, [field('user_id', ''), example]],
    [403, /this token is for service "example"/, [bob, field('service', 'other')]],
    // First as it may be, then as it is meant.
    [400, /"user_id" was sent twice/, [bob, field('user_id', 'ada'), example]],
    [403, /this token is of user/, [field('user_id', 'ada'), bob, example]],
    [400, /"service" was sent twice/, [bob, example, field('service', 'other')]],
    [400, /"user_id" is missing/, [example]],
    [400, /"user_id" is missing/, [field('USER_ID', 'ada'), example]],
  ] as const
  for (const [status, message, fields] of refused) {
    for (const [first, last] of [
      [fields, [script]],
      [[script], fields],
    ] as const) {
      const answer = await uploadRaw(api.address, last, first, { authorization })
      assert.match(answer.body.message, message)
      assert.equal(answer.status, status, answer.body.message)
    }
  }
  assert.deepEqual(await jobsOnDisk(lab), { incoming: [], jobs: [] })
  const answer = await uploadRaw(api.address, [script], [bob, field('service', 'Example')], {
    authorization,
  })
  assert.equal(answer.status, 201)
})

test('an Idempotency-Key tells nothing of another’s job', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.server({ services: nobody })
  const put = async (token: string, user: string, service: string, content = 'true') => {
    const init = {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'idempotency-key': 'k1' },
      body: form(content, { user_id: user, service }),
    }
    const response = await fetch(`${api.address}/upload`, init)
    return (await response.json()) as JobReply
  }
  const portal = await makeToken(lab, 'portal')
  const bob = await makeToken(lab, 'bob', 'submit', '--user', 'bob')
  const example = await makeToken(lab, 'example', 'submit', '--service', 'example')
  const first = await put(portal, 'ada', 'other')
  assert.equal(first.status, 'Queued')

  const foreign = await put(bob, 'ada', 'other')
  assert.equal(foreign.id, 0)
  assert.match(foreign.message, /this token is of user "bob"/)
  // Another user's key of the same name is another key.
  const own = await put(bob, 'bob', 'other')
  assert.notEqual(own.id, first.id)
  assert.equal(own.status, 'Queued')
  // Of a user's job in another service it is told that the key is taken, and no more.
  const crossed = await put(example, 'ada', 'example')
  assert.equal(crossed.id, 0)
  assert.match(crossed.message, /^another upload came under the Idempotency-Key "k1"/)
  const known = await put(portal, 'ada', 'other', 'false')
  assert.match(known.message, new RegExp(`^job ${first.id} came under`))
})
