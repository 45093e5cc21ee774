/**
 * A request hidden in another one: whatever a proxy in front makes of it, we see one request or none,
 * and what was hidden is never answered.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Api } from '../harness/api.ts'
import { Lab, until } from '../harness/lab.ts'
import type { Program } from '../harness/program.ts'
import { field, file, formType, multipart, send } from '../harness/raw.ts'
import { Wire, speak } from '../harness/wire.ts'

const hidden = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n'
const debug = { env: { LOG_LEVEL: 'debug' } }

let lab: Lab
let pair: Awaited<ReturnType<Lab['pair']>>
/** A server whose jobs go nowhere. */
let alone: Api

before(async () => {
  lab = await Lab.create()
  pair = await lab.pair(debug, debug)
  const services = { example: ['http://127.0.0.1:1'] }
  alone = (await lab.server({ name: 'alone', services })).api
})

after(() => lab[Symbol.asyncDispose]())

/** Fails if the program has seen the hidden request; what it has seen before is in its log by then. */
async function sawNothingHidden(address: string, program: Program, what: string): Promise<void> {
  const path = `/after-${encodeURIComponent(what)}`
  await send('GET', address + path)
  await program.line(({ msg }) => msg === `GET ${path}`)
  assert.ok(!program.lines.some(({ msg }) => msg === 'GET /smuggled'), what)
}

/** Heads of which the sender and a proxy may think differently where the request ends. */
const ambiguous: Readonly<Record<string, readonly string[]>> = {
  'Content-Length and Transfer-Encoding': [
    `Content-Length: ${hidden.length + 5}`,
    'Transfer-Encoding: chunked',
  ],
  'Transfer-Encoding and Content-Length': [
    'Transfer-Encoding: chunked',
    `Content-Length: ${hidden.length + 5}`,
  ],
  'two Content-Lengths': ['Content-Length: 5', `Content-Length: ${hidden.length + 5}`],
  'two Content-Lengths that are the same': ['Content-Length: 5', 'Content-Length: 5'],
  'a list of Content-Lengths': [`Content-Length: 5, ${hidden.length}`],
  'a signed Content-Length': ['Content-Length: +5'],
  'a negative Content-Length': ['Content-Length: -5'],
  'a hexadecimal Content-Length': ['Content-Length: 0x5'],
  'a Content-Length with a point': ['Content-Length: 5.0'],
  'a Content-Length beyond all numbers': [`Content-Length: ${'9'.repeat(40)}`],
  'chunked that is not the last encoding': ['Transfer-Encoding: chunked, identity'],
  'an encoding that nobody knows': ['Transfer-Encoding: xchunked'],
  'two Transfer-Encodings': ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'],
  'a space before the colon': ['Transfer-Encoding : chunked', 'Content-Length: 5'],
  'a folded header': ['X: y', ' Content-Length: 5'],
  'a folded encoding': ['Transfer-Encoding:', ' chunked', 'Content-Length: 5'],
  'a vertical tab in the encoding': ['Transfer-Encoding: \u000bchunked', 'Content-Length: 5'],
  'a NUL in a header': ['X: a\u0000b', 'Content-Length: 5'],
  'a bare carriage return': ['X: y\rContent-Length: 5'],
  'a bare line feed': ['X: y\nContent-Length: 5'],
  'a header without a name': [': x', 'Content-Length: 5'],
}

test('a head that can be read in two ways hides no other request', async (t) => {
  const { api, client, program } = pair
  for (const [what, lines] of Object.entries(ambiguous)) {
    await t.test(what, async () => {
      for (const [address, mode] of [
        [api.address, program],
        [client.address, client.program],
      ] as const) {
        for (const path of ['/upload', '/submit', '/terminate/1']) {
          const head = [`POST ${path} HTTP/1.1`, 'Host: x', ...lines]
          using wire = await speak(address, [...head, ''], `0\r\n\r\n${hidden}`)
          assert.deepEqual(wire.statuses, [400], wire.heard)
        }
        await sawNothingHidden(address, mode, what)
      }
    })
  }
})

/** Chunks that a lenient parser would take for something. */
const chunks: Readonly<Record<string, string>> = {
  'a size that is no number': `xyz\r\n${hidden}`,
  'a negative size': `-5\r\n${hidden}`,
  'a size with 0x': `0x0\r\n\r\n${hidden}`,
  'a size beyond all numbers': `${'f'.repeat(20)}\r\n${hidden}`,
  'no size': `\r\n${hidden}`,
  'a size behind a bare line feed': `0\n\n${hidden}`,
  'more than its size says': `1\r\nab\r\n0\r\n\r\n${hidden}`,
}

test('a chunk that can be read in two ways ends the connection', async (t) => {
  const { api, client, program } = pair
  for (const [what, body] of Object.entries(chunks)) {
    await t.test(what, async () => {
      for (const [address, mode, path] of [
        [api.address, program, '/upload'],
        [client.address, client.program, '/submit'],
      ] as const) {
        const type = `Content-Type: ${formType}`
        const head = [`POST ${path} HTTP/1.1`, 'Host: x', type, 'Transfer-Encoding: chunked', '']
        using wire = await speak(address, head, body)
        assert.deepEqual(wire.statuses, [400], wire.heard)
        await sawNothingHidden(address, mode, what)
      }
    })
  }
})

test('what follows a refused body on its connection is still its body', async () => {
  const { api, client, program } = pair
  for (const [address, mode, path] of [
    [api.address, program, '/upload'],
    [client.address, client.program, '/submit'],
    [api.address, program, '/nosuch'],
  ] as const) {
    using wire = new Wire(address)
    const body = hidden.repeat(3)
    const length = `Content-Length: ${body.length}`
    await wire.write(
      `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n${length}\r\n\r\n`,
    )
    await until('it is refused', () => wire.statuses.length > 0)
    // The answer is there, and the body comes only now.
    await wire.write(`${body}GET /mine HTTP/1.1\r\nHost: x\r\n\r\n`)
    await until('the next one is answered', () => wire.statuses.length > 1)
    assert.equal(wire.statuses[1], 404)
    assert.match(wire.heard, /there is no GET \/mine here/)
    await sawNothingHidden(address, mode, `body of ${path}`)
  }
})

test('a request inside an uploaded file is a file', async () => {
  const { api, program } = pair
  const body = multipart([
    field('user_id', '1'),
    field('service', 'example'),
    file('run.sh', 'true'),
    file('request.txt', `\r\n\r\n${hidden}`),
  ])
  using wire = new Wire(api.address)
  const head = `POST /upload HTTP/1.1\r\nHost: x\r\nContent-Type: ${formType}\r\n`
  await wire.write(`${head}Content-Length: ${body.length}\r\n\r\n${body.toString()}`)
  await until('it is answered', () => wire.statuses.length > 0)
  assert.deepEqual(wire.statuses, [201])
  await sawNothingHidden(api.address, program, 'file')
})

test('of two requests at once, a broken second one is not answered in place of the first', async () => {
  const api = alone
  const id = await api.upload('true')
  using wire = new Wire(api.address)
  await wire.write(`GET /jobs/${id}?wait=60s HTTP/1.1\r\nHost: x\r\n\r\nthis is no HTTP\r\n\r\n`)
  assert.equal(await wire.cut(), '')
  using both = new Wire(api.address)
  await both.write('GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /nosuch HTTP/1.1\r\nHost: x\r\n\r\n')
  await until('both are answered', () => both.statuses.length === 2)
  assert.deepEqual(both.statuses, [200, 404])
})

test('no Host, two Hosts, no version, another protocol and a tunnel are refused', async () => {
  const { api, client } = pair
  for (const address of [api.address, client.address]) {
    for (const head of [
      ['GET / HTTP/1.1'],
      ['GET / HTTP/1.1', 'Host: a', 'Host: b'],
      ['GET /'],
      ['GET / HTTP/7.3', 'Host: x'],
      ['get / HTTP/1.1', 'Host: x'],
      ['PRI * HTTP/2.0', '', 'SM'],
      ['\u0016\u0003\u0001\u0000\u00a5\u0001'],
    ]) {
      using wire = new Wire(address)
      await wire.write([...head, '', ''].join('\r\n'))
      await until('it is answered or cut', () => wire.statuses.length > 0 || wire.isCut)
      assert.deepEqual(wire.statuses, [400], head.join(' | '))
    }
    using tunnel = await speak(address, ['CONNECT 127.0.0.1:22 HTTP/1.1', 'Host: 127.0.0.1:22', ''])
    assert.deepEqual(tunnel.statuses, [])
  }
})

test('a method that a header or a field claims is not the method', async () => {
  const api = alone
  const id = await api.upload('true')
  const names = ['x-http-method-override', 'x-http-method', 'x-method-override']
  const headers = Object.fromEntries(names.map((name) => [name, 'POST']))
  for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE']) {
    const url = `${api.address}/terminate/${id}?_method=POST`
    assert.equal((await send(method, url, headers)).status, 404, method)
  }
  assert.equal((await api.job(id)).status, 'Queued')
})
