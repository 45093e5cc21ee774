import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseClient } from './choose-client.ts'

const free = { healthy: true, slots: null, active: 0, load: 0 }

test('a client that is not healthy, or has no free slot, gets nothing', () => {
  const candidates = [
    { ...free, healthy: false },
    { ...free, slots: 2, active: 2 },
  ]
  assert.equal(chooseClient(candidates), undefined)
})

test('the fewest payloads decide, then the load, then the order of the configuration', () => {
  const busy = { ...free, active: 2, load: 0 }
  const loaded = { ...free, slots: 2, active: 1, load: 90 }
  const first = { ...free, active: 1, load: 10 }
  const second = { ...free, active: 1, load: 10 }
  assert.equal(chooseClient([busy, loaded, first, second]), first)
  assert.equal(chooseClient([busy, loaded]), loaded)
})
