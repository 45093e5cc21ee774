import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  inUnit,
  allOf,
  describeLimit,
  isLimitReason,
  limitNames,
  sayLimit,
  smaller,
} from './limits.ts'
import { endedByLimit } from './usage.ts'
import type { Usage } from './usage.ts'

test('the smallest limit counts, and of the same ones the first', () => {
  const client = allOf({ memoryBytes: 5, processes: 3 }, 'client')
  const service = allOf({ memoryBytes: 4, processes: 3, openFiles: 20 }, 'service')
  assert.deepEqual(smaller(client, service), {
    memoryBytes: { most: 4, of: 'service' },
    processes: { most: 3, of: 'client' },
    openFiles: { most: 20, of: 'service' },
  })
  assert.deepEqual(smaller({}, {}), {})
})

test('limits are told as they were set, and known by their words', () => {
  assert.equal(sayLimit('memoryBytes', 1024 ** 3), '1 GiB')
  assert.equal(sayLimit('diskBytes', 1000), '1000 B')
  assert.equal(sayLimit('cpuTimeMs', 90 * 60_000), '90 min')
  for (const name of limitNames) {
    assert.ok(isLimitReason(describeLimit(name, { most: 20, of: 'upload' }, 'rlimit')), name)
  }
  assert.equal(isLimitReason('job terminated'), false)
})

test('the exit code of a signal is a limit only where there is one', () => {
  const usage: Usage = {
    peakMemoryBytes: null,
    bytesWritten: null,
    limits: {},
    hits: {},
    endedBy: 'session',
  }
  const disk = { most: 1024, of: 'client', by: 'watching' } as const
  const file = { most: 2048, of: 'service', by: 'rlimit' } as const
  const fileSize = 128 + 25
  assert.equal(endedByLimit(fileSize, usage), undefined)
  assert.match(
    endedByLimit(fileSize, { ...usage, limits: { fileSizeBytes: file } }) ?? '',
    /^file size limit of 2 KiB \(rlimit\), .*service/,
  )
  const both = { ...usage, limits: { fileSizeBytes: file, diskBytes: disk } }
  assert.match(endedByLimit(fileSize, both) ?? '', /^disk limit of 1 KiB \(rlimit\), .*client/)
  const memory = { ...both, limits: { memoryBytes: disk }, hits: { memoryBytes: 1 } }
  assert.match(endedByLimit(0, memory) ?? '', /^memory limit of 1 KiB/)
  assert.equal(endedByLimit(0, both), undefined)
})

test('times are told in seconds', () => {
  assert.deepEqual([inUnit('cpuTimeMs', 1_500), inUnit('memoryBytes', 1_500)], [1.5, 1_500])
})
