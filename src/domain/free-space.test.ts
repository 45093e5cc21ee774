import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findShortage, saySize } from './free-space.ts'

test('the disk with too little left is named, with how much that is', () => {
  const disks = [
    { name: 'DATA_PATH', freeBytes: 3 * 1024 ** 3 },
    { name: 'DB_PATH', freeBytes: 1024 ** 3 - 1 },
  ]
  assert.equal(
    findShortage(disks, 1024 ** 3),
    'the disk of DB_PATH has 1023.9 MiB left, less than MIN_FREE_SPACE (1 GiB)',
  )
  assert.equal(findShortage(disks, 1024 ** 3 - 1), undefined)
})

test('0 asks for nothing, not even of a full disk', () => {
  assert.equal(findShortage([{ name: 'DATA_PATH', freeBytes: 0 }], 0), undefined)
})

test('sizes are said in units that the settings take', () => {
  const said = [0, 1023, 1024, 1536, 400 * 1024 ** 2, 5.25 * 1024 ** 4, 3 * 1024 ** 5].map(saySize)
  assert.deepEqual(said, ['0 B', '1023 B', '1 KiB', '1.5 KiB', '400 MiB', '5.2 TiB', '3072 TiB'])
})
