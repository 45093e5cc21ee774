/** Clients that lie to their server, and a server that lies to its client. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Lab, until } from '../harness/lab.ts'
import { field, file, formType, multipart, send } from '../harness/raw.ts'
import { StandIn, taking } from '../harness/stand-in.ts'

let lab: Lab
before(async () => {
  lab = await Lab.create()
})
after(() => lab[Symbol.asyncDispose]())

/** The stand-in announces 1000 bytes of a certain SHA-256; this is what comes. */
const results: Readonly<Record<string, (response: ServerResponse) => void>> = {
  'that never ends': (response) => {
    const more = () => {
      if (!response.destroyed && response.write('x'.repeat(64 * 1024))) setImmediate(more)
    }
    response.on('drain', more)
    more()
  },
  'that is longer by a byte': (response) => response.end('x'.repeat(1001)),
  'that is shorter': (response) => response.end('x'.repeat(999)),
  'that is another one': (response) => response.end('x'.repeat(1000)),
  'that says it is empty': (response) => response.writeHead(200, { 'content-length': 0 }).end(),
}

test('a result that is not what was announced is cut off, refused, and leaves nothing', async (t) => {
  for (const [what, answer] of Object.entries(results)) {
    await t.test(what, async () => {
      let key = ''
      await using liar = await StandIn.create(
        taking((body) => (key = /"key":"([^"]+)"/.exec(body)?.[1] ?? key)),
      )
      const written: number[] = []
      liar.onResult = (response) => {
        const { socket } = response
        response.once('close', () => written.push(socket?.bytesWritten ?? 0))
        answer(response)
      }
      const name = what.replaceAll(' ', '-')
      const services = { example: [liar.address] }
      const { api, program } = await lab.server({ name, services })
      const id = await api.upload('true')
      await api.reached(id, 'Submitted')
      liar.tellEnd(key, 1)
      await program.line(({ msg }) => msg.includes('its result came wrong 3 times'))
      assert.equal((await api.job(id)).lostAttempts, 1)
      assert.ok(liar.requests.some((request) => request.endsWith('/cancel')))
      assert.ok(Math.max(...written) < 32 * 1024 * 1024, `${written.join(', ')} bytes were taken`)
      const left = await readdir(join(lab.directory, name, 'jobs', String(id)))
      assert.deepEqual(left, ['input'])
      await program[Symbol.asyncDispose]()
    })
  }
})

test('a result that is cut short again and again is never taken', async () => {
  let key = ''
  await using liar = await StandIn.create(
    taking((body) => (key = /"key":"([^"]+)"/.exec(body)?.[1] ?? key)),
  )
  liar.onResult = (response) => {
    response.writeHead(200, { 'content-length': 1000 }).write('x'.repeat(500))
    setImmediate(() => response.destroy())
  }
  const { api, program } = await lab.server({ name: 'cut', services: { example: [liar.address] } })
  const id = await api.upload('true')
  await api.reached(id, 'Submitted')
  liar.tellEnd(key, 1)
  await program.line(({ msg }) => msg.includes('could not be fetched, will be tried again'))
  await until('it was asked for again', () => liar.resultsAsked > 1)
  assert.equal((await api.job(id)).result, null)
  assert.notEqual((await api.get(`/download/${id}`)).body.status, 'Completed')
})

test('an event that never ends costs the server no memory to speak of', async () => {
  let sentBytes = 0
  const endless = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('event: snapshot\ndata: ')
    const more = () => {
      if (response.destroyed) return
      sentBytes += 1024 * 1024
      if (response.write('x'.repeat(1024 * 1024))) setImmediate(more)
    }
    response.on('drain', more)
    more()
  })
  endless.listen(0, '127.0.0.1')
  await once(endless, 'listening')
  try {
    const address = endless.address()
    const port = typeof address === 'object' ? address?.port : 0
    const services = { example: [`http://127.0.0.1:${port}`] }
    const { api, program } = await lab.server({ name: 'endless', services })
    await program.line(({ msg }) => msg.includes('the client sent an event without an end'))
    assert.ok(sentBytes < 256 * 1024 * 1024, `${sentBytes} bytes were taken`)
    assert.equal((await api.health()).status, 'ok')
    await program[Symbol.asyncDispose]()
  } finally {
    endless.closeAllConnections()
    endless.close()
  }
})

const someKey = `${'0'.repeat(16)}-${'0'.repeat(32)}`
const ended = { key: someKey, id: 1, status: 'Completed', message: '' }

/** Events that are no such events. */
const malformed: Readonly<Record<string, readonly [string, unknown]>> = {
  'a status that there is not': ['payload', { ...ended, status: 'Queued' }],
  'a result of a negative size': [
    'payload',
    { ...ended, result: { sizeBytes: -1, sha256: '0'.repeat(64) } },
  ],
  'a result of half a byte': [
    'payload',
    { ...ended, result: { sizeBytes: 0.5, sha256: '0'.repeat(64) } },
  ],
  'a key that is a path': ['payload', { ...ended, key: '../../x' }],
  'a message of a megabyte': ['payload', { ...ended, message: 'x'.repeat(1024 * 1024) }],
  'a small result that is not small': ['payload', { ...ended, zip: 'A'.repeat(1024 * 1024) }],
  'a loss without a word': ['lost', { key: someKey }],
  'a load beyond all measure': ['load', { load: 1e9, slots: null, active: 0 }],
  'no object at all': ['load', null],
}

test('a malformed event ends the stream, and nothing else', async (t) => {
  await using liar = await StandIn.create(taking())
  const services = { example: [liar.address] }
  const { api, program } = await lab.server({ name: 'malformed', services })
  let times = 0
  for (const [what, [name, data]] of Object.entries(malformed)) {
    await t.test(what, async () => {
      await until('it is connected', () => liar.streams === 1)
      times++
      liar.send(name, data)
      await until('the stream is dropped and begun anew', () => {
        return liar.requests.filter((request) => request.startsWith('GET /events')).length > times
      })
      assert.equal(program.child.exitCode, null)
    })
  }
  await program.line(({ msg }) => msg.includes('the client sent a malformed'))
  await until('the client is used again', async () => {
    return (await api.health()).services[0]?.clients[0]?.reachable === true
  })
})

test('options that would become more than variables of a script are refused by a client', async () => {
  const { address } = await lab.client()
  const right = { key: someKey, jobId: 1, userId: '1', service: 'example', attempt: 1 }
  for (const wrong of [
    { userId: 'a\u0000b' },
    { userId: 'a\nLD_PRELOAD=/x' },
    { userId: 'x'.repeat(10_000) },
    { service: 'a\u0000b' },
    { service: 'x'.repeat(10_000) },
    { instance: 'x'.repeat(10_000) },
    { key: '../../x' },
    { jobId: -1 },
    { maxRuntimeMs: 0 },
  ]) {
    const options = field('job-orchestrator', JSON.stringify({ ...right, ...wrong }))
    const body = multipart([options, file('run.sh', 'true')])
    const answer = await send('POST', `${address}/submit`, { 'content-type': formType }, body)
    assert.equal(answer.status, 400, JSON.stringify(wrong).slice(0, 80))
    assert.match(answer.body.toString(), /part \\"job-orchestrator\\".* is wrong/)
  }
})
