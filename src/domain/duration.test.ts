import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sayDuration, sayExactDuration } from './duration.ts'

test('times are said in the largest unit that they fill', () => {
  const said = [0, 998.6, 1000, 2500, 60_000, 5_400_000, 86_399_999, 86_400_000, 864_000_000]
  assert.deepEqual(said.map(sayDuration), [
    '0 ms',
    '999 ms',
    '1 s',
    '2.5 s',
    '1 min',
    '1.5 h',
    '24 h',
    '1 d',
    '10 d',
  ])
})

test('a time that was set is said without rounding', () => {
  const said = [1, 1500, 5000, 100_000, 5_400_000, 7_200_000, 3_456_000_000]
  assert.deepEqual(said.map(sayExactDuration), [
    '1 ms',
    '1500 ms',
    '5 s',
    '100 s',
    '90 min',
    '2 h',
    '40 d',
  ])
})
