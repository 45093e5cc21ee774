/** Sendings that may have arrived, and are made again: the same attempt is never given up unsurely. */
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import { optionsPart } from '../src/domain/protocol.ts'
import { form } from './harness/api.ts'
import { Lab, until } from './harness/lab.ts'
import { StandIn, taking } from './harness/stand-in.ts'

test('a client that takes no second sending is asked to cancel the first, which may come still', async () => {
  await using lab = await Lab.create()
  const calls: string[] = []
  await using client = await StandIn.create((body, response) => {
    const key = /"key":"([\da-f-]+)"/.exec(body)?.[1]
    calls.push(key ?? 'cancel')
    if (calls.length === 1) return void response.destroy() // it may have arrived
    // No slot is free for the second; so it is not there, but it may come.
    response.statusCode = calls.length === 2 ? 503 : 200
    if (key !== undefined && calls.length > 3) return taking()(body, response)
    response.end(JSON.stringify({ message: 'no slot is free', known: false }))
  })
  const { api } = await lab.server({ services: { example: [client.address] } })
  const id = await api.upload('true')
  await api.reached(id, 'Submitted')
  const [first, second, third, fourth] = calls
  assert.ok(first === second && first !== fourth, calls.join(' '))
  assert.equal(third, 'cancel', 'before another attempt is made')
  await until('it is told', () =>
    client.requests.some((request) => request.endsWith(`/payloads/${first}/cancel`)),
  )
})

test('a loss that came before the stream that would tell of it, and before the acceptance, is noticed', async () => {
  await using lab = await Lab.create()
  const taken: (() => void)[] = []
  const take = taking()
  await using client = await StandIn.create((body, response) => {
    taken.push(() => take(body, response))
    if (taken.length > 1) taken.at(-1)?.()
  })
  const { api, program } = await lab.server({ services: { example: [client.address] } })
  const id = await api.upload('true')
  await until('it is sent', () => taken.length === 1)
  client.breakStreams()
  await until('the stream is asked for again', () => client.streamsAsked > 0)
  taken[0]?.()
  await api.reached(id, 'Submitted')
  // It has lost it by now.
  client.answerStreams()
  await program.line(({ job, to, attempt }) => job === id && to === 'Submitted' && attempt === 2)
  const { attempts } = await api.job(id)
  assert.deepEqual(
    attempts.map(({ outcome }) => outcome),
    ['the client has it no more', null],
  )
})

test('a sending that was meant for an earlier instance of a client is refused by the next one', async () => {
  await using lab = await Lab.create()
  const { address } = await lab.client()
  const { instance } = (await (await fetch(`${address}/health`)).json()) as { instance: string }
  const submit = async (options: object, attempt: number) => {
    const key = `${'a'.repeat(16)}-${String(attempt).padStart(32, '0')}`
    const all = { key, jobId: 1, userId: '1', service: 'example', attempt, ...options }
    const body = form('true', { [optionsPart]: JSON.stringify(all) })
    const response = await fetch(`${address}/submit`, { method: 'POST', body })
    return [response.status, ((await response.json()) as { message: string }).message]
  }
  assert.deepEqual(await submit({ instance: 'another' }, 1), [
    410,
    'this was sent to an earlier instance of this client: its data is gone, or its machine was restarted',
  ])
  assert.deepEqual(await submit({ instance }, 2), [200, ''])
  assert.deepEqual(await submit({}, 3), [200, ''])
})

test('a payload that is said to be there, and is lost by then, keeps no job from being terminated', async () => {
  await using lab = await Lab.create()
  const kills: ServerResponse[] = []
  await using client = await StandIn.create((body, response) => {
    if (body !== '') return // of the sending nothing is heard
    kills.push(response)
    if (kills.length > 1) response.end('{"known":false}')
  })
  const { api } = await lab.server({ services: { example: [client.address] } })
  const id = await api.upload('true')
  await api.reached(id, 'Processing')
  const isEnded = api.ended(id)
  const terminated = api.terminate(id)
  await until('its client is asked', () => kills.length === 1)
  client.breakStreams()
  await until('the stream is asked for again', () => client.streamsAsked > 0)
  // An answer that has begun is waited for, whatever the stream says meanwhile.
  kills[0]?.write('{"known"')
  client.answerStreams()
  await until('its jobs can be sent', async () => {
    const [service] = (await api.health()).services
    return service?.clients[0]?.reachable === true
  })
  kills[0]?.end(':true}')
  assert.equal((await isEnded).status, 'Killed')
  await terminated
})

test('a loss that is told before the acceptance is heard is no less a loss', async () => {
  await using lab = await Lab.create()
  const taken: (() => void)[] = []
  const keys: string[] = []
  const take = taking()
  await using client = await StandIn.create((body, response) => {
    keys.push(/"key":"([\da-f-]+)"/.exec(body)?.[1] ?? '')
    taken.push(() => take(body, response))
    if (taken.length > 1) taken.at(-1)?.()
  })
  const { api, program } = await lab.server({ services: { example: [client.address] } })
  const id = await api.upload('true')
  await until('it is sent', () => taken.length === 1)
  client.tellLost(keys[0] ?? '')
  client.tellLoad({ load: 42 })
  await until('it is heard', async () => {
    const [service] = (await api.health()).services
    return service?.clients[0]?.load === 42
  })
  taken[0]?.()
  await program.line(({ job, to, attempt }) => job === id && to === 'Submitted' && attempt === 2)
  const { attempts } = await api.job(id)
  assert.deepEqual(
    attempts.map(({ outcome }) => outcome),
    ['it was lost', null],
  )
})

test('a result that is not wanted any more is forgotten by its client', async () => {
  await using lab = await Lab.create()
  const keys: string[] = []
  await using client = await StandIn.create((body, response) => {
    const key = /"key":"([\da-f-]+)"/.exec(body)?.[1]
    if (key === undefined) return void response.end('{"known":false}')
    keys.push(key)
    response.end(JSON.stringify({ id: 1, instance: 'stand-in' }))
  })
  const { api } = await lab.server({ services: { example: [client.address] } })
  const id = await api.upload('true')
  await api.reached(id, 'Submitted')
  const [key = ''] = keys
  client.tellEnd(key, 1)
  await until('its result is asked for', () => client.resultsAsked === 1)
  const job = api.ended(id)
  await api.terminate(id)
  assert.equal((await job).status, 'Killed')
  client.breakResults()
  await until('its client is told', () => client.requests.includes(`DELETE /payloads/${key}`))
})
