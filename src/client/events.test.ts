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
  const events = new EventHub('the-instance', store, () => {
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
