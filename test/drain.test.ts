/** Draining a client: no new payloads, the rest is finished, and then it says so, once. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { optionsPart } from '../src/domain/protocol.ts'
import type { DrainReply, JobReply, PayloadReply } from '../src/domain/protocol.ts'
import { form } from './harness/api.ts'
import { readEvents } from './harness/events.ts'
import { Hold } from './harness/held.ts'
import { Lab, until } from './harness/lab.ts'
import type { ClientUnderTest } from './harness/lab.ts'
import type { Program } from './harness/program.ts'
import { SlowUpload } from './harness/slow-upload.ts'

const serverId = '0123456789abcdef'
const keyOf = (token: number) => `${serverId}-${String(token).padStart(32, '0')}`

/** Sends a script as a server does; without a token as a 2.2.3 server does. */
async function submit({ address }: ClientUnderTest, script: string, token?: number) {
  const options = { jobId: 1, userId: 'ada', service: 'example', attempt: 1 }
  const fields =
    token === undefined ? {} : { [optionsPart]: JSON.stringify({ key: keyOf(token), ...options }) }
  const body = form(script, fields)
  const response = await fetch(`${address}/submit`, { method: 'POST', body })
  return { status: response.status, body: (await response.json()) as PayloadReply & JobReply }
}

async function drain({ address }: ClientUnderTest, method = 'POST'): Promise<DrainReply> {
  const response = await fetch(`${address}/drain`, { method })
  assert.equal(response.status, 200)
  return (await response.json()) as DrainReply
}

const isDrainedLine = ({ msg }: { msg: string }) => msg.startsWith('drained:')
const drainedLines = ({ lines }: Program) => lines.filter(isDrainedLine)
const health = async ({ address }: ClientUnderTest) =>
  (await (await fetch(`${address}/health`)).json()) as DrainReply

const nothing = { active: 0, unfetched: 0, kept: 0 }

test('a client that drains finishes what it has, takes nothing new, and says so once', async () => {
  await using lab = await Lab.create()
  const { api, client } = await lab.pair({}, { args: ['--slots', '1'] })
  const hold = new Hold(lab)
  const running = await api.upload(`${hold.wait}; echo 1 > out`)
  await api.reached(running, 'Running')
  // Beyond the one slot only who sends no options is taken.
  const prepared = await submit(client, 'echo 2 > out')
  assert.equal(prepared.body.status, 'Prepared')

  const begun = { draining: true, active: 2, unfetched: 0, kept: 0, drained: false }
  assert.deepEqual(await drain(client), begun)
  assert.deepEqual(await drain(client), begun, 'once more changes nothing')
  assert.deepEqual(await drain(client, 'GET'), begun)
  const { draining, active } = await health(client)
  assert.deepEqual([draining, active], [true, 2])

  for (const token of [undefined, 7]) {
    const refused = await submit(client, 'true', token)
    assert.equal(refused.status, 503)
    assert.equal(refused.body.message, 'this client drains: it takes no new payloads')
  }
  const waiting = await api.upload('true')
  await api.reached(waiting, 'Queued')
  assert.deepEqual(drainedLines(client.program), [])

  await hold.release()
  await api.reached(running, 'Completed')
  assert.equal((await api.files(running)).get('out')?.content.toString(), '1\n')
  const said = await client.program.line(isDrainedLine)
  assert.equal(
    said.msg,
    'drained: nothing is left; it can be stopped (results kept for 2.2.3 servers: 1)',
  )
  const { lines } = client.program
  const endOf = (id: number) =>
    lines.findIndex((line) => line['payload'] === id && line['status'] === 'Completed')
  assert.ok(endOf(prepared.body.id) >= 0, 'what was Prepared has run')
  const ended = { draining: true, ...nothing, kept: 1, drained: true }
  assert.deepEqual(await drain(client), ended)
  assert.equal(drainedLines(client.program).length, 1)

  assert.deepEqual(await drain(client, 'DELETE'), { ...ended, draining: false, drained: false })
  await api.reached(waiting, 'Completed')
  assert.equal((await drain(client)).draining, true)
  await until('it was said of the second drain', () => drainedLines(client.program).length === 2)
})

test('a result that has not been fetched and forgotten is waited for', async () => {
  await using lab = await Lab.create()
  const client = await lab.client()
  const hold = new Hold(lab)
  const { body } = await submit(client, hold.wait, 1)
  for (const token of [2, 3, 4]) await submit(client, hold.wait, token)
  await drain(client)
  const again = await submit(client, hold.wait, 1)
  assert.deepEqual([again.status, again.body.id], [200, body.id], 'a key that is here is answered')
  await hold.release()
  await until('all have ended', async () => (await drain(client, 'GET')).unfetched === 4)
  const result = await fetch(`${client.address}/result/${keyOf(1)}`)
  assert.equal((await result.arrayBuffer()).byteLength > 0, true)
  assert.deepEqual(drainedLines(client.program), [], 'fetched, but not safe yet')
  const forget = (...tokens: number[]) =>
    fetch(`${client.address}/payloads/${tokens.map(keyOf).join(',')}`, { method: 'DELETE' })
  await forget(1)
  assert.deepEqual(await drain(client, 'GET'), {
    draining: true,
    ...nothing,
    unfetched: 3,
    drained: false,
  })
  // One that is not there any more is as good as forgotten.
  assert.equal((await forget(1, 2, 3, 4)).status, 204)
  await client.program.line(isDrainedLine)
  assert.equal((await drain(client, 'GET')).drained, true)
  assert.equal(drainedLines(client.program).length, 1)
})

test('a submission under way when draining begins is finished', async () => {
  await using lab = await Lab.create()
  const client = await lab.client()
  const slow = new SlowUpload(`${client.address}/submit`, 'true')
  await until('it has begun', async () => (await drain(client, 'GET')).active === 1)
  assert.equal((await drain(client)).drained, false)
  const { status, body } = await slow.finish()
  assert.deepEqual([status, body['status']], [200, 'Prepared'])
  await client.program.line(isDrainedLine)
  assert.ok(client.program.lines.some((line) => line['status'] === 'Completed'))
})

test('what is cancelled or lost while a client drains is waited for no longer', async () => {
  await using lab = await Lab.create()
  const client = await lab.client()
  await submit(client, 'sleep 600', 1)
  await drain(client)
  // Two servers on copies of one database: what one of them cancels, the other is told.
  const events = readEvents(client.address, serverId)
  await events.next()
  await fetch(`${client.address}/payloads/${keyOf(1)}/cancel`, { method: 'POST' })
  for await (const { name, data } of events) {
    if (name !== 'lost') continue
    assert.deepEqual([data.key, /cancelled/.test(data.message)], [keyOf(1), true])
    break
  }
  await client.program.line(isDrainedLine)

  await drain(client, 'DELETE')
  const begun = join(lab.directory, 'begun')
  const { body } = await submit(client, `echo > '${begun}'; sleep 600`, 2)
  await client.program.line((line) => line['payload'] === body.id && line['status'] === 'Running')
  await drain(client)
  const pid = async () => {
    const response = await fetch(`${client.address}/retrieve/${body.id}`)
    return ((await response.json()) as PayloadReply).pid
  }
  // A shell that dies before it has started its script has another one take its place.
  await until('its script is there', () => existsSync(begun))
  await until('its shell is there', async () => (await pid()) > 0)
  process.kill(await pid(), 'SIGKILL')
  await until('the lost one is gone', () => drainedLines(client.program).length === 2)
})

test('the load says at once that a client drains, and that it does no more', async () => {
  await using lab = await Lab.create()
  const client = await lab.client()
  const events = readEvents(client.address, serverId)
  const snapshot = (await events.next()).value
  assert.equal(snapshot?.name === 'snapshot' && snapshot.data.load.draining, false)
  // More often than heartbeats come: each is told by itself.
  const changes = [true, false, true, false, true, false]
  for (const draining of changes) await drain(client, draining ? 'POST' : 'DELETE')
  const heard: unknown[] = []
  while (heard.length < changes.length) {
    const { value } = await events.next()
    if (value?.name !== 'load') continue
    const { draining } = value.data
    if (draining !== (heard.at(-1) ?? false)) heard.push(draining)
  }
  assert.deepEqual(heard, changes)
  await events.return(undefined)
})

test('SIGUSR1 makes a client drain, means nothing to a server, and opens no inspector', async () => {
  await using lab = await Lab.create()
  const { program, api, client } = await lab.pair()
  const hold = new Hold(lab)
  const id = await api.upload(hold.wait)
  await api.reached(id, 'Running')
  for (const child of [client.program.child, program.child]) child.kill('SIGUSR1')
  await client.program.line(({ msg }) => msg.startsWith('draining:'))
  await program.line(({ msg }) => msg === 'SIGUSR1 means nothing to a server')
  client.program.child.kill('SIGUSR1')
  assert.equal((await submit(client, 'true')).status, 503)
  await hold.release()
  await api.reached(id, 'Completed')
  await client.program.line(isDrainedLine)
  for (const each of [client.program, program]) {
    assert.equal(await each.stop(), 0)
    assert.equal(each.errors, '')
  }
  const begun = client.program.lines.filter(({ msg }) => msg.startsWith('draining:'))
  assert.deepEqual([begun.length, drainedLines(client.program).length], [1, 1])

  const next = await lab.client()
  assert.equal((await drain(next, 'GET')).draining, false, 'a restart ends it')
})

test('a sender that is gone before it is heard holds up no draining', async () => {
  await using lab = await Lab.create()
  const client = await lab.client()
  const { port } = new URL(client.address)
  const part = '--b\r\nContent-Disposition: form-data; name="file"; filename="run.sh"\r\n\r\ntrue'
  // All that comes while the client is frozen, the end of the connection included, it reads at once.
  client.program.child.kill('SIGSTOP')
  for (const body of [part, `${part}\r\n--b--\r\n`]) {
    const socket = connect(Number(port), '127.0.0.1')
    await once(socket, 'connect')
    const head = ['POST /submit HTTP/1.1', 'Host: client', `Content-Length: ${part.length + 9}`]
    socket.write(
      `${head.join('\r\n')}\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n${body}`,
    )
    await new Promise<void>((resolve) => socket.end(resolve))
    socket.destroy()
    await once(socket, 'close')
  }
  client.program.child.kill('SIGCONT')
  await drain(client)
  await until('nothing is received any more', async () => (await drain(client, 'GET')).active === 0)
})
