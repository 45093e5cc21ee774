import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { ClientEvent } from '../domain/protocol.ts'
import { openPayloadStore } from '../store/sqlite/payloads.ts'
import { EventHub } from './events.ts'

const server = '0123456789abcdef'
const key = (token: number) => `${server}-${String(token).padStart(32, '0')}`
const result = { sizeBytes: 1, sha256: 'a'.repeat(64) }

function hub(slots: number | null) {
  const store = openPayloadStore()
  const events = new EventHub({ instance: 'the-instance', isolation: 'none' }, store, () => {
    return { load: 5, slots, active: store.count().active }
  })
  const add = (id: number) =>
    store.insert({
      id,
      origin: { key: key(id), jobId: id, userId: 'ada', service: 'example', attempt: 1 },
      receivedAtMs: 1,
    })
  const end = (id: number) => {
    store.change(id, 'Prepared', 'Running', {})
    const ended = store.change(id, 'Running', 'Completed', { endedAtMs: 2, result })
    if (ended) events.tell(ended)
  }
  return { events, add, end }
}

test('a reader gets a snapshot of its own payloads, then every change', () => {
  const { events, add, end } = hub(null)
  add(1)
  const heard: ClientEvent[] = []
  const unsubscribe = events.subscribe(server, (event) => heard.push(event))
  const other: ClientEvent[] = []
  const leave = events.subscribe('fedcba9876543210', (event) => other.push(event))
  end(1)
  unsubscribe()
  leave()
  events.tell(add(2))
  assert.deepEqual(heard, [
    {
      name: 'snapshot',
      data: {
        protocol: 1,
        instance: 'the-instance',
        isolation: 'none',
        load: { load: 5, slots: null, active: 1 },
        payloads: [{ key: key(1), id: 1, status: 'Prepared', message: '' }],
      },
    },
    { name: 'payload', data: { key: key(1), id: 1, status: 'Completed', message: '', result } },
  ])
  assert.equal(other.length, 1)
})

test('a slot that becomes free is told at once, to every server', async () => {
  const { events, add, end } = hub(1)
  add(1)
  const heard: ClientEvent[] = []
  const leave = events.subscribe('fedcba9876543210', (event) => heard.push(event))
  end(1)
  await setImmediate()
  leave()
  assert.deepEqual(heard[1], { name: 'load', data: { load: 5, slots: 1, active: 0 } })
})

test('why a payload was lost is told to its server whenever it comes, as long as it is remembered', () => {
  const { events, add } = hub(null)
  const lostOf = (serverId: string) => {
    let lost: readonly { key: string; message: string }[] | undefined
    events.subscribe(serverId, (event) => {
      if (event.name === 'snapshot') ({ lost } = event.data)
    })()
    return lost
  }
  assert.equal(lostOf(server), undefined)
  events.tellLost(add(1), 'it vanished')
  events.noteLost(key(2), 'its machine went down')
  assert.deepEqual(lostOf(server), [
    { key: key(1), message: 'it vanished' },
    { key: key(2), message: 'its machine went down' },
  ])
  assert.equal(lostOf('fedcba9876543210'), undefined)
  for (let id = 3; id < 1_003; id++) events.noteLost(key(id), 'the same again')
  const remembered = lostOf(server)
  assert.equal(remembered?.length, 1_000)
  assert.equal(remembered?.[0]?.key, key(3))
  assert.equal(events.whyLost(key(2)), undefined)
  assert.equal(events.whyLost(key(3)), 'the same again')
})
