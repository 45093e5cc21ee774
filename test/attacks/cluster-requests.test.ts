/** Attacks on the client's door: requests that are not signed, or not for this. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { Lab, until } from '../harness/lab.ts'
import type { ClientUnderTest } from '../harness/lab.ts'
import { send } from '../harness/raw.ts'
import type { Answer } from '../harness/raw.ts'
import { Recorder } from '../harness/recorder.ts'
import { SigningServer } from '../harness/signed.ts'

const secret = randomBytes(32).toString('hex')
const env = { CLUSTER_SECRET: secret }
const serverId = '0123456789abcdef'
const key = `${serverId}-${'1'.repeat(32)}`

/** Method and path of each endpoint of a client that is not open. */
const closed = [
  ['POST', '/submit'],
  ['GET', '/load'],
  ['HEAD', '/load'],
  ['GET', '/retrieve/1'],
  ['GET', '/retrieve_partial/1'],
  ['POST', '/kill/1'],
  ['GET', `/events?server=${serverId}`],
  ['GET', `/result/${key}`],
  ['DELETE', `/payloads/${key}`],
  ['POST', `/payloads/${key}/kill`],
  ['POST', `/payloads/${key}/cancel`],
  ['GET', '/drain'],
  ['POST', '/drain'],
  ['DELETE', '/drain'],
  ['GET', '/what-there-is-not'],
  ['GET', '//load'],
  ['GET', '/%6coad'],
] as const

function assertRefused({ status, headers, body }: Answer, why: RegExp, what: string): void {
  assert.equal(status, 401, what)
  assert.match(headers['www-authenticate'] ?? '', /^Job-Orchestrator realm="[0-9a-f]{32}"$/)
  if (body.byteLength > 0) assert.match(body.toString(), why, what)
}

async function clientAndServer(lab: Lab): Promise<ClientUnderTest & { server: SigningServer }> {
  const client = await lab.client({ env })
  return { ...client, server: await new SigningServer(client.address, secret).meet() }
}

test('attack: an unsigned request, to every endpoint', async () => {
  await using lab = await Lab.create()
  const { address, program, server } = await clientAndServer(lab)
  for (const [method, path] of closed) {
    const bare = await send(method, address + path)
    assertRefused(bare, /it is not signed/, `${method} ${path}`)
    for (const authorization of ['Bearer x', 'Job-Orchestrator', `Basic ${btoa('a:b')}`]) {
      const other = await send(method, address + path, { authorization })
      assertRefused(other, /it is not signed/, `${method} ${path} ${authorization}`)
    }
  }
  for (const path of ['/', '/health']) assert.equal((await send('GET', address + path)).status, 200)
  const health = (await send('GET', `${address}/health`)).body.toString()
  assert.match(health, /"draining":false/)
  const told = program.lines.filter(({ msg }) => msg.includes('it is not signed'))
  assert.equal(told.length, 1, 'it is told once')
  assert.match(told[0]?.msg ?? '', /a server without one, or of version 2\.2\.3, cannot use this/)
  assert.equal((await server.send(server.request('GET', '/load'))).status, 200)
})

test('attack: the wrong secret', async () => {
  await using lab = await Lab.create()
  const { address, program } = await clientAndServer(lab)
  const stranger = await new SigningServer(address, randomBytes(32).toString('hex')).meet()
  for (const [method, path] of closed) {
    const answer = await stranger.send(stranger.request(method, path))
    assertRefused(answer, /its signature is wrong: the cluster secrets differ/, path)
  }
  assert.equal(program.lines.filter(({ msg }) => msg.includes('signature is wrong')).length, 1)
})

test('attack: a recorded request, byte for byte, whatever it was', async () => {
  await using lab = await Lab.create()
  const client = await lab.client({ env })
  await using recorder = await Recorder.create(client.address)
  const { api } = await lab.server({ services: { example: [recorder.address] }, env })
  const job = await api.run('echo done; head -c 20000 /dev/urandom > large')
  assert.equal(job.status, 'Completed', job.message)
  const other = await api.upload('sleep 60')
  await api.reached(other, 'Running')
  assert.equal((await fetch(`${api.address}/download_partial/${other}`)).status, 200)
  await api.terminate(other)
  await until('both are forgotten', () => {
    return recorder.requests.filter(({ method }) => method === 'DELETE').length === 2
  })
  // The first one of all was signed before the server knew for whom.
  const [first, ...rest] = recorder.requests
  assert.equal(first?.path.startsWith('/events'), true)
  const paths = rest.map(({ path }) =>
    path
      .replace(/\?.*/, '')
      .replace(/\w{16}-\w{32}/, 'KEY')
      .replace(/\d+$/, 'ID'),
  )
  const ofKey = ['/result/KEY', '/payloads/KEY', '/payloads/KEY/kill']
  for (const path of ['/submit', '/events', '/retrieve_partial/ID', ...ofKey]) {
    assert.ok(paths.includes(path), `${path} is among ${paths.join(' ')}`)
  }
  for (const { method, path, headers, body } of recorder.requests) {
    const answer = await send(method, client.address + path, headers, body)
    assertRefused(answer, /it has come before|it was signed for another process/, path)
  }
})

test('attack: a recorded request at another client, and at the same one after a restart', async () => {
  await using lab = await Lab.create()
  const { program, server } = await clientAndServer(lab)
  const second = await lab.client({ name: 'second', env })
  const events = server.request('GET', `/events?server=${serverId}`)
  const there = await send('GET', second.address + events.path, events.headers)
  assertRefused(there, /it was signed for another process/, 'another client')
  await program.stop()
  const again = await lab.client({ env })
  const later = await send('GET', again.address + events.path, events.headers)
  assertRefused(later, /it was signed for another process/, 'another life')
})

test('attack: a signature for another path, query, method or key', async () => {
  await using lab = await Lab.create()
  const { server } = await clientAndServer(lab)
  const otherKey = `${serverId}-${'2'.repeat(32)}`
  const attacks = [
    [server.request('GET', '/load'), { path: '/drain' }],
    [server.request('GET', '/load'), { path: '/load?a=1' }],
    [server.request('GET', '/drain'), { method: 'POST' }],
    [server.request('GET', '/retrieve/1'), { path: '/retrieve/2' }],
    [server.request('POST', `/payloads/${key}/kill`), { path: `/payloads/${otherKey}/kill` }],
    [server.request('POST', `/payloads/${key}/kill`), { path: `/payloads/${key}/cancel` }],
    [
      server.request('GET', `/events?server=${serverId}`),
      { path: `/events?server=${serverId.replace('0', '1')}` },
    ],
  ] as const
  for (const [request, changed] of attacks) {
    const answer = await server.send(request, changed)
    assertRefused(answer, /its signature is wrong/, JSON.stringify(changed))
    // What did not come through has not used up the right one. A stream would not end.
    if (request.path.startsWith('/events')) continue
    assert.notEqual((await server.send(request)).status, 401)
  }
  const named = server.request('GET', '/retrieve/1', { key })
  const { authorization = '' } = named.headers
  for (const headers of [{ authorization, 'job-key': otherKey }, { authorization }]) {
    assertRefused(await server.send(named, { headers }), /its signature is wrong/, 'job-key')
  }
  assert.equal((await server.send(named)).status, 404)
})

test('attack: a time that is long ago or to come, and a clock that is only a little wrong', async () => {
  await using lab = await Lab.create()
  const { server } = await clientAndServer(lab)
  for (const minutes of [-6, 6]) {
    const timeMs = Date.now() + minutes * 60_000
    const answer = await server.send(server.request('GET', '/load', { timeMs }))
    const theirs = new Date(timeMs).toISOString()
    assertRefused(answer, new RegExp(`its clock was at ${theirs}, the one here is at 20`), theirs)
  }
  for (const minutes of [-4, 4]) {
    const timeMs = Date.now() + minutes * 60_000
    assert.equal((await server.send(server.request('GET', '/load', { timeMs }))).status, 200)
  }
  const recent = server.request('GET', '/load')
  const { authorization = '' } = recent.headers
  const older = authorization.replace(/time="\d+"/, `time="${Date.now() - 1000}"`)
  const answer = await server.send(recent, { headers: { authorization: older } })
  assertRefused(answer, /its signature is wrong/, 'another time')
})

test('attack: a nonce that was used for another request', async () => {
  await using lab = await Lab.create()
  const { server, program } = await clientAndServer(lab)
  const nonce = `${'a'.repeat(16)}-5`
  assert.equal((await server.send(server.request('GET', '/load', { nonce }))).status, 200)
  const again = await server.send(server.request('GET', '/drain', { nonce }))
  assertRefused(again, /it has come before/, nonce)
  await program.line(({ msg }) => msg.includes('it has come before'))
  // What was recorded, made new where it would be old.
  const recorded = server.request('GET', '/load')
  assert.equal((await server.send(recorded)).status, 200)
  const other = await lab.client({ name: 'other', env })
  const { authorization = '' } = recorded.headers
  const { authorization: there = '' } = (
    await new SigningServer(other.address, secret).meet()
  ).request('GET', '/load').headers
  const [realm = ''] = /realm="\w+"/.exec(authorization) ?? []
  for (const made of [
    authorization.replace(/-\d+"/, '-77"'),
    authorization.replace(/nonce="\w{16}/, `nonce="${'b'.repeat(16)}`),
    there.replace(/realm="\w+"/, realm),
    authorization.replace('options=""', `options="${'0'.repeat(64)}"`),
  ]) {
    const answer = await server.send(recorded, { headers: { authorization: made } })
    assertRefused(answer, /its signature is wrong/, made)
  }
})
