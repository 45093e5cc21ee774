import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Silence } from './silence.ts'

test('silence is the time between failed calls, and ends with an answer', () => {
  const silence = new Silence()
  assert.equal(silence.forMs, 0)
  silence.failed(1_000)
  assert.equal(silence.forMs, 0, 'one failed call proves no time')
  silence.failed(9_000)
  silence.failed(14_000)
  assert.equal(silence.forMs, 13_000)
  silence.end()
  assert.equal(silence.forMs, 0)
  silence.failed(50_000)
  silence.failed(51_000)
  assert.equal(silence.forMs, 1_000)
})

test('a stall of our own is no silence of theirs', () => {
  const silence = new Silence()
  silence.failed(0)
  silence.failed(10_000)
  silence.failed(3_610_000)
  assert.equal(silence.forMs, 0)
  silence.failed(3_615_000)
  assert.equal(silence.forMs, 5_000)
})
