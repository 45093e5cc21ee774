import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sayDuration } from './duration.ts'

test('a time is said in its largest whole unit', () => {
  const said = [250, 1_500, 2_000, 90_000, 600_000, 7_200_000, 864_000_000].map(sayDuration)
  assert.deepEqual(said, ['250 ms', '1500 ms', '2 s', '90 s', '10 min', '2 h', '10 d'])
})
