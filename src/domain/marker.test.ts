import assert from 'node:assert/strict'
import { test } from 'node:test'
import { markerOf } from './marker.ts'

test('a marker has one half of the random token as its name and the other as its content', () => {
  const marker = markerOf('00112233445566ff-0123456789abcdeffedcba9876543210')
  assert.deepEqual(marker, {
    name: '.job-orchestrator-0123456789abcdef',
    content: 'fedcba9876543210',
  })
})
