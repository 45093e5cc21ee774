import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backOffMs } from './back-off.ts'

test('waiting grows to a limit, with jitter of a half, in whole milliseconds', () => {
  const least = [0, 1, 2, 5, 6, 100].map((failures) => backOffMs(failures, () => 0))
  const most = [0, 1, 2, 5, 6, 100].map((failures) => backOffMs(failures, () => 1))
  assert.deepEqual(least, [50, 100, 200, 1600, 2500, 2500])
  assert.deepEqual(most, [100, 200, 400, 3200, 5000, 5000])
  assert.ok(Number.isInteger(backOffMs(3, () => 1 / 3)))
})
