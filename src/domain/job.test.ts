import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isActive, isFinal, jobStatuses, jobWalk, mayBecome } from './job.ts'

test('a job is either queued, active or final', () => {
  const kinds = jobStatuses.map((status) => [status, isActive(status), isFinal(status)])
  assert.deepEqual(kinds, [
    ['Queued', false, false],
    ['Processing', true, false],
    ['Submitted', true, false],
    ['Running', true, false],
    ['Completed', false, true],
    ['Failed', false, true],
    ['Invalid', false, true],
    ['Killed', false, true],
    ['Cleaned', false, true],
  ])
})

test('a final status never changes, but for Cleaned', () => {
  for (const from of jobStatuses.filter(isFinal)) {
    const next = jobStatuses.filter((to) => mayBecome(from, to))
    assert.deepEqual(next, from === 'Cleaned' ? [] : ['Cleaned'])
  }
})

test('every status but the first is reached, and every job can end', () => {
  assert.deepEqual(new Set(jobWalk.map(([, to]) => to)).size, jobStatuses.length)
  for (const status of jobStatuses.filter((one) => !isFinal(one))) {
    assert.ok(mayBecome(status, 'Failed') && mayBecome(status, 'Killed'), status)
  }
})

test('only a job that was sent may run or complete', () => {
  assert.equal(mayBecome('Queued', 'Running'), false)
  assert.equal(mayBecome('Queued', 'Completed'), false)
  assert.equal(mayBecome('Processing', 'Completed'), false)
})
