import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseClient, mostWaiting } from './choose-client.ts'

const free = {
  healthy: true,
  slow: false,
  waiting: 0,
  slots: null,
  active: 0,
  load: 0,
  lastGiven: 0,
}

test('a client that is not healthy, or has no free slot, gets nothing', () => {
  const candidates = [
    { ...free, healthy: false },
    { ...free, slots: 2, active: 2 },
  ]
  assert.equal(chooseClient(candidates, 4), undefined)
})

test('among idle clients the fewest payloads decide, then who waited longest', () => {
  const busy = { ...free, slots: 3, active: 2 }
  const recent = { ...free, active: 1, lastGiven: 8 }
  const waiting = { ...free, active: 1, lastGiven: 7, load: 4 }
  assert.equal(chooseClient([busy, recent, waiting], 4), waiting)
  assert.equal(chooseClient([busy, recent], 4), recent)
})

test('a client gets as much as of it is idle, but never nothing', () => {
  const clients = [{ ...free }, { ...free, load: 50 }, { ...free, load: 100 }]
  for (let job = 0; job < 160; job++) {
    const chosen = chooseClient(clients, 4)
    assert.ok(chosen)
    chosen.active++
  }
  assert.deepEqual(
    clients.map(({ active }) => active),
    [100, 50, 10],
  )
})

test('a client that something is stuck at is asked last', () => {
  const slow = { ...free, slow: true }
  const loaded = { ...free, active: 9, load: 100 }
  assert.equal(chooseClient([slow, loaded], 4), loaded)
  assert.equal(chooseClient([slow], 4), slow)
})

test('a client that owes answers gets no more until it gives some', () => {
  const hanging = { ...free, slow: true, waiting: 2 }
  const full = { ...free, slots: 1, active: 1 }
  assert.equal(chooseClient([hanging, full], 2), undefined)
  assert.equal(chooseClient([hanging, full], 3), hanging)
})

test('of the jobs that may be active no client may keep more than its share waiting', () => {
  assert.equal(mostWaiting(1, 3), 1)
  assert.equal(mostWaiting(4, 2), 2)
  assert.equal(mostWaiting(10, 3), 4)
  assert.equal(mostWaiting(1_000, 1), 4)
})
