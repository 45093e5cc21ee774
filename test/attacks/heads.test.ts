/** Heads of requests that never come, or are more than a head may be. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { JobReply } from '../../src/domain/protocol.ts'
import { Lab, until } from '../harness/lab.ts'
import { send } from '../harness/raw.ts'
import { Wire } from '../harness/wire.ts'

let lab: Lab
/** Addresses of both modes; impatient ones, that have to be waited for less long. */
let modes: readonly string[]
let impatient: readonly string[]

before(async () => {
  lab = await Lab.create()
  const one = await lab.pair()
  const args = ['--headers-timeout', '600ms']
  const other = await lab.pair({ name: 'server2', args }, { name: 'client2', args })
  modes = [one.api.address, one.client.address]
  impatient = [other.api.address, other.client.address]
})

after(() => lab[Symbol.asyncDispose]())

const messageOf = (body: Buffer) => (JSON.parse(body.toString()) as JobReply).message

test('a sender that trickles its headers is answered with 408 and cut off', async () => {
  for (const address of impatient) {
    using wire = new Wire(address)
    await wire.write('GET / HTTP/1.1\r\nHost: x\r\n')
    let lines = 0
    await until('the connection is cut', async () => {
      await wire.write(`X-Line-${lines++}: is always one more\r\n`)
      return wire.isCut
    })
    assert.deepEqual(wire.statuses, [408])
    assert.match(wire.heard, /"message":"the head of the request took longer than 0\.6 s"/)
    assert.equal((await send('GET', `${address}/health`)).status, 200)
  }
})

test('a connection on which nothing is said is answered with 408 and cut off', async () => {
  for (const address of impatient) {
    const wires = Array.from({ length: 50 }, () => new Wire(address))
    const heard = await Promise.all(wires.map((wire) => wire.cut()))
    for (const answer of heard) assert.match(answer, /^HTTP\/1\.1 408 /)
    for (const wire of wires) wire[Symbol.dispose]()
  }
})

test('the second head of a connection may not take longer than the first', async () => {
  for (const address of impatient) {
    using wire = new Wire(address)
    await wire.write('GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nX')
    await wire.cut()
    assert.deepEqual(wire.statuses, [200, 408])
  }
})

test('a head of megabytes is cut off after 16 KiB', async () => {
  for (const address of modes) {
    const large = await send('GET', address, { 'x-large': 'x'.repeat(16_400) })
    assert.equal(large.status, 431)
    assert.match(messageOf(large.body), /larger than 16384 bytes/)
    using wire = new Wire(address)
    await wire.write('GET / HTTP/1.1\r\nHost: x\r\nX-Endless: ')
    let sentBytes = 0
    await until('the connection is cut', async () => {
      await wire.write('x'.repeat(4096))
      sentBytes += 4096
      return wire.isCut
    })
    assert.ok(sentBytes < 64 * 1024 * 1024, `${sentBytes} bytes were taken`)
    assert.equal((await send('GET', address)).status, 200)
  }
})

test('thousands of headers are refused, and none of them is left out silently', async () => {
  for (const address of modes) {
    for (const count of [100, 3_000]) {
      using wire = new Wire(address)
      // What comes behind those that Node.js counts would not be seen by anybody.
      const lines = Array.from({ length: count }, () => 'a:')
      await wire.write(['GET / HTTP/1.1', 'Host: x', ...lines, '', ''].join('\r\n'))
      await until('it is answered', () => wire.statuses.length > 0)
      assert.deepEqual(wire.statuses, [431])
      assert.match(wire.heard, /more than 100 headers|larger than 16384 bytes/)
    }
  }
})

test('a URL that is longer than any of ours is refused with 414', async () => {
  for (const address of modes) {
    for (const path of [`/${'a'.repeat(8_200)}`, `/?${'a=b&'.repeat(2_100)}`]) {
      const { status, body } = await send('GET', address + path)
      assert.equal(status, 414)
      assert.match(messageOf(body), /longer than 8192 bytes/)
    }
    for (const path of [`/jobs/${'1'.repeat(3_000)}`, `/retrieve/${'1'.repeat(3_000)}`]) {
      assert.ok([404, 414].includes((await send('GET', address + path)).status), path)
    }
  }
})

test('an expectation that nobody can meet is refused with 417', async () => {
  for (const address of modes) {
    const { status, headers } = await send('POST', `${address}/x`, { expect: 'the-impossible' })
    assert.equal(status, 417)
    assert.equal(headers['x-content-type-options'], 'nosniff')
  }
})
