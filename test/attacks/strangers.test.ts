/** Who has no token, or not a right one, tries to get in. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import type { JobReply } from '../../src/domain/protocol.ts'
import type { Api } from '../harness/api.ts'
import { endpointsOf } from '../harness/endpoints.ts'
import { Lab, until } from '../harness/lab.ts'
import { jobsOnDisk } from '../harness/left.ts'
import { field, file, formType, multipart, send } from '../harness/raw.ts'
import { refusal } from '../harness/refusal.ts'
import { SlowUpload } from '../harness/slow-upload.ts'
import { makeToken, revokeToken, tokenCommand, wrongTokenCommand } from '../harness/tokens.ts'

const nobody = { example: ['http://127.0.0.1:1'] }
const upload = multipart([
  field('user_id', '1'),
  field('service', 'example'),
  file('run.sh', 'true'),
])

/** What is asked with these headers, and why not. */
async function ask(api: Api, headers: Record<string, string>, path = '/jobs/1') {
  const { status, headers: got, body } = await send('GET', api.address + path, headers)
  const { message } = JSON.parse(body.toString()) as JobReply
  return { status, message, challenge: got['www-authenticate'] }
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

test('without a token, every endpoint is closed but those that are public', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.server({ services: nobody })
  const id = await api.upload('true')
  await makeToken(lab, 'portal')
  const endpoints = await endpointsOf(api.address)
  const open = endpoints.filter(({ scope }) => scope === undefined).map(({ path }) => path)
  assert.deepEqual(new Set(open), new Set(['/', '/health']))
  for (const { method, path, scope } of endpoints) {
    const url = api.address + path.replace('{id}', String(id))
    const body = method === 'POST' ? upload : []
    const { status, headers } = await send(method, url, { 'content-type': formType }, body)
    assert.equal(status, scope === undefined ? 200 : 401, `${method} ${path}`)
    if (scope !== undefined) assert.match(String(headers['www-authenticate']), /^Bearer realm=/)
  }
  // Other ways to write a path, and paths that there are not.
  for (const path of [
    '/jobs//1',
    '/JOBS/1',
    '/jobs/1/',
    '/%6aobs/1',
    '/jobs/1;a',
    '/nosuch',
    '/*',
  ]) {
    const { status } = await send('GET', api.address + path)
    assert.equal(status, 401, path)
  }
  for (const method of ['PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
    assert.equal((await send(method, `${api.address}/jobs/1`)).status, 401, method)
  }
  for (const path of ['/swagger', '/swagger-ui/', '/swagger-ui/swagger-ui-bundle.js']) {
    assert.ok((await send('GET', api.address + path)).status < 400, path)
  }
  assert.deepEqual((await jobsOnDisk(lab)).jobs, [String(id)], 'the upload has left something')
})

test('guessed, cut, swapped and malformed tokens, and other schemes, are refused', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.server({ services: nobody })
  const token = await makeToken(lab, 'portal')
  const other = await makeToken(lab, 'other')
  assert.equal((await ask(api, bearer(token))).status, 404)
  const [, id = '', secret = ''] = token.split('_')
  const flipped = `${token.slice(0, -1)}${token.endsWith('0') ? '1' : '0'}`
  const guesses = [
    flipped,
    token.slice(0, -1),
    `${token}0`,
    token.toUpperCase(),
    secret,
    id,
    `jo_${id}_${other.split('_')[2]}`,
    `jo_${id}_${'0'.repeat(64)}`,
    `jo_00000000_${secret}`,
    `jo_${id}_`,
    `jo_'or1=1_${secret}`,
    `"${token}"`,
    `${token},${token}`,
    'x'.repeat(8_000),
  ].map(bearer)
  const schemes = [
    token,
    `Basic ${token}`,
    `Basic ${Buffer.from(`portal:${token}`).toString('base64')}`,
    `Digest ${token}`,
    `Bearer`,
    `Bearer:${token}`,
    `Bearer ${token} x`,
    `Bearer x ${token}`,
    `BearerBearer ${token}`,
    `Bearer\t${token}`,
  ].map((authorization) => ({ authorization }))
  const elsewhere = [
    { 'x-api-key': token },
    { cookie: `token=${token}` },
    { 'proxy-authorization': `Bearer ${token}` },
    { 'x-forwarded-authorization': `Bearer ${token}` },
  ]
  for (const headers of [...guesses, ...schemes, ...elsewhere] as Record<string, string>[]) {
    const { status, challenge, message } = await ask(api, headers)
    assert.equal(status, 401, JSON.stringify(headers))
    assert.match(challenge ?? '', /^Bearer realm="job-orchestrator"/)
    assert.ok(!message.includes(secret), message)
  }
  // The scheme in any case, and blanks around, are what HTTP allows.
  for (const authorization of [`bearer ${token}`, `BEARER   ${token}  `, `Bearer ${token}\t`]) {
    assert.equal((await ask(api, { authorization })).status, 404, authorization)
  }
})

test('of two Authorization headers none counts, whichever comes first', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.server({ services: nobody })
  const token = await makeToken(lab, 'portal')
  const { hostname, port } = new URL(api.address)
  const answer = async (...lines: string[]) => {
    const socket = connect(Number(port), hostname)
    socket.end(
      ['GET /jobs/1 HTTP/1.1', 'Host: x', 'Connection: close', ...lines, '', ''].join('\r\n'),
    )
    return (await text(socket)).split('\r\n')[0] ?? ''
  }
  const good = `Authorization: Bearer ${token}`
  assert.match(await answer(good), / 404 /)
  for (const lines of [
    [good, 'Authorization: Bearer x'],
    ['Authorization: Bearer x', good],
    [good, good],
    [good, 'authorization: Basic eDp5'],
    ['Authorization:', good],
  ]) {
    assert.match(await answer(...lines), / 401 /, lines.join(' | '))
  }
  // A folded header, and one behind a bare line feed, are no HTTP any more.
  assert.match(await answer('X: y', ` ${good}`), / 40[01] /)
})

test('a token in the query string or in the path does not count, and is not logged', async () => {
  await using lab = await Lab.create()
  const { api, program } = await lab.server({ services: nobody, env: { LOG_LEVEL: 'trace' } })
  const token = await makeToken(lab, 'portal')
  for (const path of [
    `/jobs/1?access_token=${token}`,
    `/jobs/1?token=${token}`,
    `/jobs/1?authorization=Bearer%20${token}`,
    `/jobs/${token}`,
    `/${token}`,
  ]) {
    assert.equal((await ask(api, {}, path)).status, 401, path)
    // Neither is it repeated to one who is let in.
    const { status, message } = await ask(api, bearer(token), path)
    assert.ok(status === 404 || status === 400, path)
    assert.ok(!message.includes(token), message)
  }
  await program.line(({ msg }) => msg.includes(`/jobs/${token.slice(0, 11)}_***`))
  assert.ok(!program.said.includes(token.slice(12)), program.said)
})

test('a token ends when its time is over, and when it is revoked, without a restart', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.server({ services: nobody })
  const short = await makeToken(lab, 'short', 'read', '--expires', '200ms')
  const token = await makeToken(lab, 'portal')
  const other = await makeToken(lab, 'other')
  await until('the token has expired', async () => {
    const { status, message } = await ask(api, bearer(short))
    return status === 401 && message === 'the token "short" has expired'
  })
  assert.equal((await ask(api, bearer(token))).status, 404)
  assert.match(await revokeToken(lab, 'portal'), /^revoked: token portal \([0-9a-f]{8}\)/)
  const { status, message, challenge } = await ask(api, bearer(token))
  assert.deepEqual([status, message], [401, 'the token "portal" was revoked'])
  assert.match(challenge ?? '', /error="invalid_token"/)
  assert.equal((await ask(api, bearer(other))).status, 404)
  const list = await tokenCommand(lab, 'list')
  assert.match(list, /short .* expired\n/)
  assert.match(list, /portal .* revoked 2/)
  // By its id as well. Without any token left the server is closed all the same.
  await revokeToken(lab, other.split('_')[1] ?? '')
  await revokeToken(lab, 'short')
  for (const headers of [bearer(other), bearer(short), {}]) {
    assert.equal((await ask(api, headers)).status, 401)
  }
  assert.match(await refusal(wrongTokenCommand(lab, 'revoke', 'nobody')), /no token "nobody"/)
})

test('what is under way when a token is revoked comes to nothing', async () => {
  await using lab = await Lab.create()
  const { api, program } = await lab.server({ services: nobody })
  const id = await api.upload('true')
  const token = await makeToken(lab, 'portal')
  const operator = api.as(await makeToken(lab, 'operator'))
  const waiting = api.as(token).get(`/download/${id}?wait=60s`)
  const slow = new SlowUpload(`${api.address}/upload`, 'true', bearer(token))
  await until('the upload has begun', async () => (await jobsOnDisk(lab)).incoming.length > 0)
  await revokeToken(lab, 'portal')
  assert.equal((await slow.finish()).status, 401)
  assert.equal((await operator.terminate(id)).status, 200)
  const { status, body: answer } = await waiting
  assert.deepEqual([status, answer.message], [401, 'the token "portal" was revoked'])
  assert.deepEqual((await jobsOnDisk(lab)).incoming, [])
  assert.equal(program.lines.filter(({ to }) => to === 'Queued').length, 1)
})

test('a token does only what its scopes say', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.server({ services: nobody })
  const id = await api.upload('true')
  const scopes = ['submit', 'read', 'terminate']
  const endpoints = await endpointsOf(api.address)
  for (const granted of scopes) {
    const token = await makeToken(lab, granted, granted)
    for (const { method, path, scope } of endpoints) {
      if (scope === undefined || scope === granted) continue
      const url = api.address + path.replace('{id}', String(id))
      const all = { ...bearer(token), 'content-type': formType }
      const answer = await send(method, url, all, method === 'POST' ? upload : [])
      assert.equal(answer.status, 403, `${method} ${path} with ${granted}`)
      const challenge = `error="insufficient_scope", scope="${scope}"`
      assert.match(String(answer.headers['www-authenticate']), new RegExp(challenge))
      if (method !== 'HEAD') assert.match(answer.body.toString(), new RegExp(`"${scope}\\\\"`))
    }
  }
  const reader = api.as(await makeToken(lab, 'reader', 'read'))
  assert.equal((await reader.job(id)).status, 'Queued')
})
