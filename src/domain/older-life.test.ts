import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isOlderLife, olderLife } from './older-life.ts'

test('a life of an older client is told from an instance of our own', () => {
  assert.ok(isOlderLife(olderLife('0123')))
  assert.deepEqual([isOlderLife('0123456789abcdef'), isOlderLife(null)], [false, false])
})
