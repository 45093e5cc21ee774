/** Bodies that stand still, never end, or have more of something than one may have. */
import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Api } from '../harness/api.ts'
import { Lab, until } from '../harness/lab.ts'
import { field, file, formType, multipart, send } from '../harness/raw.ts'
import type { RawPart } from '../harness/raw.ts'
import { Wire } from '../harness/wire.ts'

const who = [field('user_id', '1'), field('service', 'example')]
const script = file('run.sh', 'true')

/** How a mode is spoken to, and what it has on disk of what it refused. */
type Mode = {
  readonly name: string
  readonly url: string
  readonly path: string
  readonly left: () => Promise<string[]>
}

let lab: Lab
let api: Api
let modes: readonly Mode[]

before(async () => {
  lab = await Lab.create()
  const args = ['--body-timeout', '700ms', '--max-upload-size', '2MiB', '--max-upload-files', '20']
  const up = await lab.pair({ args }, { args })
  api = up.api
  const incoming = (...where: string[]) => readdir(join(lab.directory, ...where, 'incoming'))
  modes = [
    { name: 'server', url: api.address, path: '/upload', left: () => incoming('server', 'jobs') },
    {
      name: 'client',
      url: up.client.address,
      path: '/submit',
      left: () => incoming('client', 'payloads'),
    },
  ]
})

after(() => lab[Symbol.asyncDispose]())

const head = ({ path }: Mode, ...lines: string[]) =>
  [`POST ${path} HTTP/1.1`, 'Host: x', `Content-Type: ${formType}`, ...lines, '', ''].join('\r\n')

/** Nothing is left of what was refused, and what is right is taken. */
async function stillWorks(mode: Mode): Promise<void> {
  await until(`nothing is left at the ${mode.name}`, async () => (await mode.left()).length === 0)
  const body = multipart(mode.path === '/upload' ? [...who, script] : [script])
  const answer = await send('POST', mode.url + mode.path, { 'content-type': formType }, body)
  assert.ok(answer.status === 201 || answer.status === 200, answer.body.toString())
}

/** Sends these parts, and says how they were refused. */
async function refusedAs(mode: Mode, parts: readonly RawPart[]): Promise<[number, string]> {
  const all = mode.path === '/upload' ? [...who, ...parts] : parts
  const headers = { 'content-type': formType }
  const { status, body } = await send('POST', mode.url + mode.path, headers, multipart(all))
  const { message } = JSON.parse(body.toString()) as { message: string }
  return [status, message]
}

describe('a body', () => {
  test('that stands still is answered with 408, cut off, and leaves nothing', async () => {
    const beginnings: Readonly<Record<string, string>> = {
      'at its very beginning': '',
      'in the head of a part': '--the-boundary\r\nContent-Disposition: form-data; name="fi',
      'in a file': multipart([...who, file('run.sh', 'x'.repeat(5_000))])
        .toString()
        .slice(0, -60),
    }
    for (const mode of modes) {
      for (const [where, beginning] of Object.entries(beginnings)) {
        for (const framing of ['Content-Length: 9000', 'Transfer-Encoding: chunked']) {
          using wire = new Wire(mode.url)
          const size = framing.startsWith('T') ? `${(9_000).toString(16)}\r\n` : ''
          await wire.write(head(mode, framing) + size + beginning)
          await wire.cut()
          assert.deepEqual(wire.statuses, [408], `${mode.name} ${where}: ${wire.heard}`)
          assert.match(wire.heard, /nothing came for 0\.7 s \(BODY_TIMEOUT\)/)
          assert.match(wire.heard, /\r\nconnection: close\r\n/i)
        }
      }
      await stillWorks(mode)
    }
  })

  test('that is slow, but comes, is waited for', async () => {
    const [server] = modes
    assert.ok(server)
    const body = multipart([...who, script])
    using wire = new Wire(server.url)
    await wire.write(head(server, `Content-Length: ${body.length}`))
    // So many pieces that all of them take longer than any of them may.
    const pieces = 12
    const size = Math.ceil(body.length / pieces)
    for (let at = 0; at < body.length; at += size) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      await wire.write(body.subarray(at, at + size))
    }
    await until('it is answered', () => wire.statuses.length > 0)
    assert.deepEqual(wire.statuses, [201], wire.heard)
  })

  test('that has no length and never ends is cut off at the limit', async () => {
    const piece = 'x'.repeat(64 * 1024)
    const chunk = `${piece.length.toString(16)}\r\n${piece}\r\n`
    const beginnings: Readonly<Record<string, string>> = {
      'before its first part': 'never a boundary',
      'in a file':
        '--the-boundary\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n',
      'in a file without a name':
        '--the-boundary\r\nContent-Disposition: form-data; name="f"; filename=""\r\n\r\n',
    }
    for (const mode of modes) {
      for (const [where, beginning] of Object.entries(beginnings)) {
        using wire = new Wire(mode.url)
        await wire.write(head(mode, 'Transfer-Encoding: chunked'))
        await wire.write(`${beginning.length.toString(16)}\r\n${beginning}\r\n`)
        let sentBytes = 0
        await until('it is cut off', async () => {
          if (wire.statuses.length === 0) sentBytes += piece.length
          await wire.write(chunk)
          return wire.isCut
        })
        assert.deepEqual(wire.statuses, [413], `${mode.name} ${where}`)
        assert.match(wire.heard, /larger than MAX_UPLOAD_SIZE/)
        assert.ok(sentBytes < 64 * 1024 * 1024, `${sentBytes} bytes were taken`)
      }
      await stillWorks(mode)
    }
  })

  test('that says it is larger than it may be is refused before any of it comes', async () => {
    for (const mode of modes) {
      using wire = new Wire(mode.url)
      await wire.write(head(mode, `Content-Length: ${10 ** 15}`))
      await until('it is refused', () => wire.statuses.length > 0)
      assert.deepEqual(wire.statuses, [413], mode.name)
    }
  })

  test('of more files than there may be is refused, and leaves nothing', async () => {
    const many = Array.from({ length: 20 }, (_, at) => file(`f${at}`))
    const deep = Array.from({ length: 3 }, (_, at) => file(`${at}/b/c/d/e/f/g/h/i`))
    for (const mode of modes) {
      assert.deepEqual(await refusedAs(mode, [script, ...many]), [
        413,
        'there are more than 20 files (MAX_UPLOAD_FILES)',
      ])
      assert.deepEqual(await refusedAs(mode, [script, ...deep]), [
        413,
        'the files are in more than 20 directories (MAX_UPLOAD_FILES)',
      ])
      await stillWorks(mode)
    }
  })

  test('of thousands of fields, or of fields without an end, is refused', async () => {
    const long = 'x'.repeat(70_000)
    for (const mode of modes) {
      for (const [why, ...parts] of [
        [/more than 100 fields/, ...Array.from({ length: 5_000 }, (_, at) => field(`f${at}`, ''))],
        [/field "note" is longer than 65536 bytes/, field('note', long)],
        [/the name of a field is longer than 1024 bytes/, field('n'.repeat(1025), '')],
        [/the head of a part is longer than 16384 bytes/, field(long, '')],
        [/the head of a part is longer than 16384 bytes/, file(long)],
        [/the head of a part is longer than 16384 bytes/, file('a/'.repeat(10_000) + 'b')],
      ] as const) {
        const [status, message] = await refusedAs(mode, [...parts, script])
        assert.equal(status, 400, `${mode.name}: ${message}`)
        assert.match(message, why)
      }
      await stillWorks(mode)
    }
  })

  test('that nobody wants may not go on for ever', async () => {
    const piece = 'x'.repeat(64 * 1024)
    for (const { url } of modes) {
      using wire = new Wire(url)
      await wire.write(
        'POST /terminate/999 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n',
      )
      await until('it is cut off', async () => {
        await wire.write(`${piece.length.toString(16)}\r\n${piece}\r\n`)
        return wire.isCut
      })
      assert.deepEqual(wire.statuses, [404])
    }
  })
})
