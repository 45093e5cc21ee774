/** Lines and headers that somebody else has written: into answers, and into the log. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Lab } from '../harness/lab.ts'
import type { ServerUnderTest } from '../harness/lab.ts'
import { field, file, send, uploadRaw } from '../harness/raw.ts'
import { Wire, speak } from '../harness/wire.ts'

let lab: Lab
let up: ServerUnderTest & { readonly client: { readonly address: string } }

before(async () => {
  lab = await Lab.create()
  up = await lab.pair({ env: { LOG_LEVEL: 'debug' } }, { env: { LOG_LEVEL: 'debug' } })
})

after(() => lab[Symbol.asyncDispose]())

/** No line of the log is of anybody else, and none has what a terminal acts upon. */
function assertCleanLog(): void {
  assert.ok(up.program.lines.length > 0)
  assert.equal(up.program.errors, '')
  // What is no line of JSON would be here.
  assert.equal(up.program.output, '')
  for (const line of up.program.lines) {
    const text = JSON.stringify(line)
    assert.doesNotMatch(text, /"forged":/)
    assert.doesNotMatch(line.msg, /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u, text)
  }
}

test('a line break in a path, a query, an id or a key makes no header', async () => {
  for (const address of [up.api.address, up.client.address]) {
    for (const target of [
      '/jobs/1%0d%0aX-Evil:%20yes',
      '/download/1?wait=1%0d%0aX-Evil:%20yes',
      '/%0d%0aX-Evil:%20yes',
      '/swagger%0d%0aX-Evil:%20yes',
      '/result/%0d%0aX-Evil:%20yes',
      '/events?server=%0d%0aX-Evil:%20yes',
      '/%e5%98%8d%e5%98%8aX-Evil:%20yes',
    ]) {
      const wire = await speak(address, [
        `GET ${target} HTTP/1.1`,
        'Host: x',
        'Connection: close',
        '',
      ])
      assert.equal(wire.statuses.length, 1, target)
      assert.doesNotMatch(wire.heard, /^X-Evil/im, target)
    }
  }
  for (const key of ['a\rX-Evil: yes', 'a\nX-Evil: yes', 'a\u0000', '\u001b[2J', 'a b', '\u00e9']) {
    using wire = new Wire(up.api.address)
    const head = `POST /upload HTTP/1.1\r\nHost: x\r\nIdempotency-Key: ${key}\r\nContent-Length: 0`
    await wire.write(Buffer.from(`${head}\r\nConnection: close\r\n\r\n`, 'latin1'))
    await wire.cut()
    assert.deepEqual(wire.statuses, [400], JSON.stringify(key))
    assert.doesNotMatch(wire.heard, /^X-Evil/im)
  }
})

test('what strangers name themselves, their files and their services forges no line of the log', async () => {
  const evil = [
    'x\n{"level":30,"forged":true,"msg":"job 7: Completed"}',
    '\u001b[2J\u001b]0;title\u0007',
    '\u009b2J',
    '\u202egnp.exe',
    '\u2028{"forged":true}',
  ]
  const { address } = up.api
  const script = file('run.sh', 'true')
  for (const text of evil) {
    await uploadRaw(address, [script], [field('user_id', text), field('service', 'example')])
    await uploadRaw(address, [script], [field('user_id', '1'), field('service', text)])
    const name = encodeURIComponent(text)
    await uploadRaw(address, [script, [`name="file"; filename*=utf-8''${name}`, '']])
    await send('GET', `${address}/jobs/${name}`)
    await send('GET', `${address}/${name}`)
    using wire = new Wire(address)
    const agent = Buffer.from(text).toString('latin1').replaceAll('\n', ' ')
    await wire.write(
      Buffer.from(`GET /health HTTP/1.1\r\nHost: x\r\nUser-Agent: ${agent}\r\n`, 'latin1'),
    )
    await wire.write('Connection: close\r\n\r\n')
    await wire.cut()
  }
  await send('GET', `${address}/last`)
  await up.program.line(({ msg }) => msg === 'GET /last')
  assertCleanLog()
})

test('what a script says last forges no line of the log, and moves no cursor', async () => {
  const { api } = up
  // As bytes: a shell writes them, whatever this file is in.
  const said = String.raw`printf 'x\033[2J\r\n{"forged":true}\n\302\2332J \342\200\256gnp.exe \342\200\250' >&2; exit 3`
  const job = await api.run(said)
  assert.equal(job.status, 'Failed')
  assert.match(job.message, /exit code 3; stderr: /)
  assertCleanLog()
})
