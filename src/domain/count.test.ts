import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sayBytes, sayCount } from './count.ts'

test('one is not more than one', () => {
  assert.deepEqual(
    [0, 1, 2].map((count) => sayCount(count, 'job')),
    ['0 jobs', '1 job', '2 jobs'],
  )
})

test('bytes are told in the largest unit that they fill', () => {
  assert.deepEqual([0, 1023, 1024, 1.5 * 2 ** 20, 2 ** 30, 3 * 2 ** 40, 2 ** 52].map(sayBytes), [
    '0 bytes',
    '1023 bytes',
    '1.0 KiB',
    '1.5 MiB',
    '1.0 GiB',
    '3.0 TiB',
    '4096.0 TiB',
  ])
})
