import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Nonces } from './nonces.ts'

const sender = 'a'.repeat(16)

test('a number is taken once, in whatever order', () => {
  const nonces = new Nonces(1000)
  for (const count of [1, 3, 2, 70_000, 69_999, 10_000]) {
    assert.ok(nonces.take(sender, count, 0), String(count))
    assert.ok(!nonces.take(sender, count, 0), String(count))
  }
  assert.ok(nonces.take('b'.repeat(16), 1, 0))
})

test('what is too far behind to be known is not taken', () => {
  const nonces = new Nonces(1000)
  assert.ok(nonces.take(sender, 65_537, 0))
  assert.ok(!nonces.take(sender, 1, 0))
  assert.ok(nonces.take(sender, 2, 0))
  assert.ok(nonces.take(sender, 200_000, 0))
  assert.ok(!nonces.take(sender, 65_537, 0))
})

test('every number of many is taken once, as the window moves on', () => {
  const nonces = new Nonces(1000)
  for (let count = 1; count <= 200_000; count++) assert.ok(nonces.take(sender, count, 0))
  for (let count = 1; count <= 200_000; count += 7) assert.ok(!nonces.take(sender, count, 0))
})

test('who has been silent for long enough makes room, nobody else', () => {
  const nonces = new Nonces(1000)
  for (let at = 0; at < 256; at++) assert.ok(nonces.take(`sender ${at}`, 1, at))
  assert.ok(!nonces.take('one more', 1, 1000))
  assert.ok(!nonces.take('sender 0', 1, 1000))
  assert.ok(nonces.take('one more', 1, 1002))
  assert.ok(!nonces.take('sender 255', 1, 1002))
})
