import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLoopback } from './exposure.ts'

test('only what no other machine can reach is loopback', () => {
  for (const address of ['127.0.0.1', '127.255.0.9', '::1', '::ffff:127.0.0.1', '::1%lo']) {
    assert.ok(isLoopback(address), address)
  }
  for (const address of ['0.0.0.0', '::', '10.0.0.1', '128.0.0.1', '::2', 'fe80::1%eth0']) {
    assert.ok(!isLoopback(address), address)
  }
  assert.ok(!isLoopback('::ffff:10.0.0.1'))
})
