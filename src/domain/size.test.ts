import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sayExactBytes } from './size.ts'

test('a size is said in the largest unit of which it is a whole number', () => {
  const said = [0, 1000, 1024, 1536 * 1024 ** 2, 1024 ** 3, 2 * 1024 ** 4].map(sayExactBytes)
  assert.deepEqual(said, ['0 B', '1000 B', '1 KiB', '1536 MiB', '1 GiB', '2 TiB'])
})
