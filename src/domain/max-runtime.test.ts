import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isTimeLimitReason, maxRuntime, timeLimitReason } from './max-runtime.ts'

const ofService = { maxRuntimeMs: 7_200_000, maxRuntimeOf: 'service' } as const
const ofUpload = { maxRuntimeMs: 100_000, maxRuntimeOf: 'upload' } as const

test('the smaller limit counts, and none where there is none', () => {
  assert.deepEqual(maxRuntime(100_000, 7_200_000), ofUpload)
  assert.deepEqual(maxRuntime(100_000, undefined), ofUpload)
  assert.deepEqual(maxRuntime(7_200_001, 7_200_000), ofService)
  assert.deepEqual(maxRuntime(7_200_000, 7_200_000), ofService)
  assert.deepEqual(maxRuntime(null, 7_200_000), ofService)
  assert.equal(maxRuntime(null, undefined), undefined)
})

test('the reason says how long it may run, and who set that', () => {
  assert.equal(
    timeLimitReason(ofService),
    'time limit: it ran for longer than 2 h, the most that its service allows',
  )
  assert.equal(
    timeLimitReason(ofUpload),
    'time limit: it ran for longer than 100 s, the max_runtime of its upload',
  )
  assert.ok(isTimeLimitReason(timeLimitReason(ofUpload)))
  assert.ok(!isTimeLimitReason('job terminated'))
})
