import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMarkerName, markerOf } from './marker.ts'

test('a marker has one half of the random token as its name and the other as its content', () => {
  const marker = markerOf('00112233445566ff-0123456789abcdeffedcba9876543210')
  assert.deepEqual(marker, {
    name: '.job-orchestrator-0123456789abcdef',
    content: 'fedcba9876543210',
  })
})

test('a marker is known by its name', () => {
  assert.ok(isMarkerName('.job-orchestrator-0123456789abcdef'))
  assert.ok(!isMarkerName('.job-orchestrator-notes'))
  assert.ok(!isMarkerName('0123456789abcdef'))
})
