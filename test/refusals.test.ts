/** Uploads that are wrong, too large or broken off: told why, nothing is left, all goes on. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import type { JobReply } from '../src/domain/protocol.ts'
import { form } from './harness/api.ts'
import type { Api } from './harness/api.ts'
import { Lab, until } from './harness/lab.ts'
import { jobsOnDisk } from './harness/left.ts'
import { field, file, formType, multipart, send, uploadRaw } from './harness/raw.ts'
import type { Answer, RawPart } from './harness/raw.ts'

const script = file('run.sh', 'true')
const user = field('user_id', '1')
const service = field('service', 'example')
const good = multipart([user, service, script])
const nothing = { incoming: [], jobs: [] }

/** An upload of just this many bytes. */
function sized(bytes: number): Buffer {
  const rest = multipart([user, service, script, file('x')]).length
  return multipart([user, service, script, file('x', Buffer.alloc(bytes - rest))])
}

const json = ({ body }: Answer) => JSON.parse(body.toString()) as JobReply

/** A server without any client: what is refused never gets so far. */
async function serverAlone(lab: Lab, ...args: string[]): Promise<Api> {
  const { api } = await lab.server({
    services: { example: ['http://127.0.0.1:1'], other: ['http://127.0.0.1:1'] },
    args,
  })
  return api
}

async function stillWorks(lab: Lab, api: Api, id: number): Promise<void> {
  assert.deepEqual(await jobsOnDisk(lab), nothing)
  assert.equal(await api.upload('true'), id)
}

test('wrong fields are refused with all that is wrong', async () => {
  await using lab = await Lab.create()
  const api = await serverAlone(lab)
  const long = 'x'.repeat(129)
  const refusals: readonly (readonly [readonly RegExp[], ...RawPart[]])[] = [
    [[/"user_id" is missing/, /"service" is missing/]],
    [[/"user_id" is missing/], service],
    [[/"service" is missing/], user],
    [[/service "nosuch" is not known; there is: example, other/], user, field('service', 'nosuch')],
    [[/"user_id" is missing/, /service "" is not known/], field('service', '')],
    ...['', 'a b', 'a/b', 'é', '1;2', long].map(
      (id) => [[/"user_id" must be/], field('user_id', id), service] as const,
    ),
    [[/"user_id" was sent twice/], user, user, service],
    [[/"service" was sent twice/], user, service, service],
    ...['', '0', '101', '1.5', '-1', 'many'].map(
      (runs) =>
        [
          [/"max_attempts" must be a whole number from 1 to 100, not/],
          user,
          service,
          field('max_attempts', runs),
        ] as const,
    ),
    ...['', '0', 'soon', '25w', '-1s'].map(
      (time) =>
        [
          [/"max_runtime" must be a time such as/],
          user,
          service,
          field('max_runtime', time),
        ] as const,
    ),
    [
      [/"user_id" is missing/, /"max_attempts" must be/, /"max_runtime" must be/],
      field('max_attempts', '0'),
      field('max_runtime', '0'),
      service,
    ],
    [
      [/"max_attempts" was sent twice/],
      user,
      service,
      field('max_attempts', '1'),
      field('max_attempts', '1'),
    ],
    [[/longer than/], user, service, field('note', 'x'.repeat(70_000))],
    [[/more than 100 fields/], ...Array.from({ length: 101 }, (_, i) => field(`f${i}`, ''))],
  ]
  for (const [whys, ...fields] of refusals) {
    const { status, body } = await uploadRaw(api.address, [script], fields)
    assert.deepEqual([status, body.id, body.status], [400, 0, 'Unknown'], body.message)
    for (const why of whys) assert.match(body.message, why)
    assert.deepEqual(await jobsOnDisk(lab), nothing)
  }
  await stillWorks(lab, api, 1)
})

test('fields may stand before, between and after the files, and a service in any case', async () => {
  await using lab = await Lab.create()
  const api = await serverAlone(lab)
  const upper = field('service', 'EXample')
  const orders = [
    [user, upper, script],
    [script, user, upper],
    [user, script, upper, file('a.txt')],
    [user, upper, field('note', 'is ignored'), script],
  ]
  for (const [index, parts] of orders.entries()) {
    const { status, body } = await uploadRaw(api.address, parts, [])
    assert.deepEqual([status, body.id, body.status], [201, index + 1, 'Queued'], body.message)
    assert.equal((await api.job(body.id)).service, 'example')
  }
})

test('a body of another type is 415, and a malformed one is 400', async () => {
  await using lab = await Lab.create()
  const api = await serverAlone(lab)
  const head = '--the-boundary\r\nContent-Disposition: form-data; '
  const end = '--the-boundary--\r\n'
  const tries: readonly (readonly [number, string | undefined, string | Buffer])[] = [
    [415, 'application/json', '{"user_id":1}'],
    [415, 'application/x-www-form-urlencoded', 'user_id=1&service=example'],
    [415, 'text/plain', 'hello'],
    [415, 'application/octet-stream', good],
    [415, undefined, good],
    [415, undefined, ''],
    [400, 'multipart/form-data', good],
    [400, 'multipart/form-data; boundary=another', good],
    [400, formType, ''],
    [400, formType, 'no multipart at all'],
    [400, formType, `${head}name="user_id"`],
    [400, formType, `${head}name="file"; filename="run.sh"\r\n\r\nhalf a fi`],
    [400, formType, good.subarray(0, -6)],
    [
      400,
      formType,
      `${head}name="user_id"\r\nContent-Type: text/plain; charset=no\r\n\r\n1\r\n${end}`,
    ],
    [400, formType, `${head}\u0001\r\n\r\nx\r\n${end}`],
  ]
  for (const [expected, type, body] of tries) {
    const headers = type === undefined ? {} : { 'content-type': type }
    const keyed = { ...headers, 'idempotency-key': 'key' }
    const answer = await send('POST', `${api.address}/upload`, keyed, Buffer.from(body))
    const what = `${type}: ${body.toString().slice(0, 80)}: ${answer.body.toString()}`
    assert.equal(answer.status, expected, what)
    assert.deepEqual([json(answer).id, json(answer).status], [0, 'Unknown'], what)
    assert.notEqual(json(answer).message, '')
    assert.deepEqual(await jobsOnDisk(lab), nothing, what)
  }
  await stillWorks(lab, api, 1)
})

test('an upload that breaks off leaves nothing behind', async () => {
  await using lab = await Lab.create()
  const api = await serverAlone(lab)
  const body = multipart([user, service, script, file('large.bin', Buffer.alloc(200_000))])
  for (const framing of [`Content-Length: ${body.length}`, 'Transfer-Encoding: chunked']) {
    for (const end of ['destroy', 'resetAndDestroy', 'end'] as const) {
      const { hostname, port } = new URL(api.address)
      const socket = connect(Number(port), hostname)
      socket.on('error', () => {})
      socket.write(
        `POST /upload HTTP/1.1\r\nHost: x\r\nContent-Type: ${formType}\r\n${framing}\r\n\r\n`,
      )
      if (framing.startsWith('T')) socket.write(`${body.length.toString(16)}\r\n`)
      socket.write(body.subarray(0, 150_000))
      await until('it is coming in', async () => (await jobsOnDisk(lab)).incoming.length === 1)
      socket[end]()
      await until('nothing is left', async () => (await jobsOnDisk(lab)).incoming.length === 0)
      socket.resume()
      if (!socket.closed) await once(socket, 'close')
    }
  }
  await stillWorks(lab, api, 1)
})

test('an upload above MAX_UPLOAD_SIZE is 413, whether its length is told or not', async () => {
  await using lab = await Lab.create()
  const api = await serverAlone(lab, '--max-upload-size', '100KiB')
  const url = `${api.address}/upload`
  const headers = { 'content-type': formType }
  for (const bytes of [102_401, 3_000_000]) {
    const body = sized(bytes)
    const pieces = Array.from({ length: Math.ceil(bytes / 50_000) }, (_, i) =>
      body.subarray(i * 50_000, (i + 1) * 50_000),
    )
    for (const sent of [body, pieces]) {
      const answer = await send('POST', url, headers, sent)
      assert.equal(answer.status, 413, answer.body.toString())
      assert.match(json(answer).message, /larger than MAX_UPLOAD_SIZE \(102400 bytes\)/)
      assert.deepEqual(await jobsOnDisk(lab), nothing)
    }
  }
  const exact = await send('POST', url, headers, sized(102_400))
  assert.equal(exact.status, 201, exact.body.toString())
})

test('a body in chunks is as good as one of known length', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const body = multipart([user, service, file('run.sh', 'cat in.txt'), file('in.txt', 'abc')])
  const pieces = [...body].map((byte) => Buffer.of(byte))
  const answer = await send('POST', `${api.address}/upload`, { 'content-type': formType }, pieces)
  assert.equal(answer.status, 201, answer.body.toString())
  const job = await api.ended(json(answer).id)
  const output = (await api.files(job.id)).get('.orchestrator/stdout.log')
  assert.equal(output?.content.toString(), 'abc')
})

test('HEAD is answered wherever GET is, with the same head', async () => {
  await using lab = await Lab.create()
  const { api, client } = await lab.pair()
  const { id, result } = await api.run('true')
  const failed = await api.run('false')
  const head = (path: string) => send('HEAD', api.address + path)
  for (const path of [`/download/${id}`, `/download_partial/${id}`]) {
    const { status, headers, body } = await head(path)
    assert.deepEqual([status, body.length], [200, 0])
    assert.equal(headers['content-type'], 'application/zip')
    assert.equal(Number(headers['content-length']), result?.sizeBytes)
    assert.equal((await send('GET', api.address + path)).body.length, result?.sizeBytes)
  }
  const told = await head(`/download/${failed.id}`)
  assert.match(told.headers['content-type'] ?? '', /^application\/json/)
  for (const path of ['/', '/health', `/jobs/${id}`, '/api-docs/openapi.json', '/swagger-ui/']) {
    assert.equal((await head(path)).status, 200, path)
  }
  assert.equal((await head('/jobs/999')).status, 404)
  for (const path of ['/', '/health', '/load']) {
    assert.equal((await send('HEAD', client.address + path)).status, 200, path)
  }
})

test('what is not there is 404 in JSON, and a malformed id is 400', async () => {
  await using lab = await Lab.create()
  const api = await serverAlone(lab)
  for (const path of [
    '/nosuch',
    '/download',
    '/download/1/x',
    '/upload',
    '/jobs/7',
    '/download/7',
    '/download_partial/7',
  ]) {
    const { status, body } = await api.get(path)
    assert.deepEqual([status, body.id, body.status], [404, 0, 'Unknown'], path)
    assert.notEqual(body.message, '')
  }
  for (const verb of ['jobs', 'download', 'download_partial']) {
    for (const id of [
      '0',
      '-1',
      'x',
      '1.5',
      '0x1',
      '1e0',
      '1.0',
      '%201',
      '9'.repeat(20),
      '%00',
      '%zz',
    ]) {
      const { status, body } = await api.get(`/${verb}/${id}`)
      assert.deepEqual([status, body.status], [400, 'Unknown'], `${verb} ${id}`)
    }
  }
  const long = await api.get(`/download/${'1'.repeat(3_000)}`)
  assert.deepEqual([long.status, long.body.status], [414, 'Unknown'])
  const { status } = await api.post('/nosuch', form('true', {}))
  assert.equal(status, 404)
  await stillWorks(lab, api, 1)
})

test('a body where none is wanted means nothing', async () => {
  await using lab = await Lab.create()
  const api = await serverAlone(lab)
  // Something that is no type at all is one of them.
  for (const type of ['application/json', 'multipart/form-data', 'text/plain', '', 'text', '/']) {
    for (const body of ['', '{"broken"', 'a=b']) {
      const headers = { 'content-type': type }
      const answer = await send('POST', `${api.address}/terminate/7`, headers, Buffer.from(body))
      assert.equal(answer.status, 404, `${type}: ${body}`)
    }
  }
})

test('who is refused may send the rest, also on a connection that is to be closed', async () => {
  await using lab = await Lab.create()
  const api = await serverAlone(lab, '--max-upload-size', '100KiB')
  const { hostname, port } = new URL(api.address)
  const socket = connect(Number(port), hostname)
  const rest = 3_000_000
  socket.write(
    'POST /upload HTTP/1.1\r\nHost: x\r\nConnection: close\r\n' +
      `Content-Type: ${formType}\r\nContent-Length: ${rest}\r\n\r\n`,
  )
  let isCut = false
  socket.once('end', () => (isCut = true))
  const [answer] = (await once(socket, 'data')) as [Buffer]
  assert.match(answer.toString(), /^HTTP\/1\.1 413 /)
  assert.match(answer.toString(), /\r\nConnection: keep-alive\r\n/i)
  const piece = Buffer.alloc(rest / 3)
  for (let sent = 0; sent < 3; sent++) {
    if (!socket.write(piece)) await once(socket, 'drain')
  }
  assert.equal(isCut, false)
  socket.end()
  await once(socket, 'close')
  assert.equal(socket.errored, null)
})
