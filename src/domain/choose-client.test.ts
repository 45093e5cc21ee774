import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseClient } from './choose-client.ts'

const free = { healthy: true, slow: false, slots: null, active: 0, load: 0, lastGiven: 0 }

test('a client that is not healthy, or has no free slot, gets nothing', () => {
  const candidates = [
    { ...free, healthy: false },
    { ...free, slots: 2, active: 2 },
  ]
  assert.equal(chooseClient(candidates), undefined)
})

test('among idle clients the fewest payloads decide, then who waited longest', () => {
  const busy = { ...free, slots: 3, active: 2 }
  const recent = { ...free, active: 1, lastGiven: 8 }
  const waiting = { ...free, active: 1, lastGiven: 7, load: 4 }
  assert.equal(chooseClient([busy, recent, waiting]), waiting)
  assert.equal(chooseClient([busy, recent]), recent)
})

test('a client gets as much as of it is idle, but never nothing', () => {
  const clients = [{ ...free }, { ...free, load: 50 }, { ...free, load: 100 }]
  for (let job = 0; job < 160; job++) {
    const chosen = chooseClient(clients)
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
  assert.equal(chooseClient([slow, loaded]), loaded)
  assert.equal(chooseClient([slow]), slow)
})
