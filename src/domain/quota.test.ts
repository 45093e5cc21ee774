import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareTurns, nextTurn } from './quota.ts'
import type { Turn } from './quota.ts'

const quota = { runsPerUser: 2, maxRuns: 5 }

function turn(userId: string, active: number, lastStart: number, firstJob: number): Turn {
  return { userId, active, lastStart, firstJob }
}

test('next is who has the fewest active jobs', () => {
  const waiting = [turn('a', 1, 0, 1), turn('b', 0, 9, 2)]
  assert.equal(nextTurn(waiting, 1, quota)?.userId, 'b')
})

test('then whose last start is longest ago, then who came first', () => {
  assert.equal(nextTurn([turn('a', 1, 5, 1), turn('b', 1, 4, 2)], 2, quota)?.userId, 'b')
  assert.equal(nextTurn([turn('b', 0, 0, 2), turn('a', 0, 0, 1)], 0, quota)?.userId, 'a')
})

test('nobody starts beyond the limit of a user, nor beyond that of the service', () => {
  assert.equal(nextTurn([turn('a', 2, 0, 1)], 2, quota), undefined)
  assert.equal(nextTurn([turn('a', 0, 0, 1)], 5, quota), undefined)
  assert.equal(nextTurn([turn('a', 1, 0, 1)], 4, quota)?.userId, 'a')
})

test('without anybody waiting there is nobody next', () => {
  assert.equal(nextTurn([], 0, quota), undefined)
})

test('turns have one order', () => {
  const sorted = [turn('a', 0, 1, 9), turn('b', 0, 2, 1), turn('c', 1, 0, 1), turn('d', 1, 0, 2)]
  assert.deepEqual(sorted.toReversed().toSorted(compareTurns), sorted)
})
