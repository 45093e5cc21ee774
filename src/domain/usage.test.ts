import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Limit } from './limits.ts'
import { endedByLimit, metLimits, sayEnforced } from './usage.ts'
import type { EnforcedLimits, Usage } from './usage.ts'

const limit = (most: number, of: Limit['of'] = 'service') => ({ most, of, by: 'rlimit' }) as const

const used = (limits: EnforcedLimits, hits: Usage['hits'] = {}): Usage => ({
  peakMemoryBytes: null,
  bytesWritten: null,
  limits,
  hits,
  endedBy: 'session',
})

const [cpuTime, fileSize] = [128 + 24, 128 + 25]

test('the limit that has ended a script is named, and no other', () => {
  const limits = {
    memoryBytes: limit(1024),
    cpuTimeMs: limit(2_000),
    fileSizeBytes: limit(4096),
  }
  assert.match(endedByLimit(0, used(limits, { memoryBytes: 1 })) ?? '', /^memory limit of 1 KiB/)
  assert.match(endedByLimit(cpuTime, used(limits)) ?? '', /^CPU time limit of 2 s/)
  assert.equal(endedByLimit(cpuTime, used({})), undefined)
  assert.match(endedByLimit(fileSize, used(limits)) ?? '', /^file size limit of 4 KiB/)
  assert.equal(endedByLimit(fileSize, used({})), undefined)
  assert.equal(endedByLimit(3, used(limits)), undefined)
  assert.equal(endedByLimit(null, used(limits)), undefined)
})

test('of two limits on a file the tighter one is named', () => {
  const disk = (most: number, fileSizeBytes?: Limit & { by: 'rlimit' }) =>
    used({ diskBytes: limit(most), ...(fileSizeBytes && { fileSizeBytes }) })
  assert.match(endedByLimit(fileSize, disk(1024)) ?? '', /^disk limit of 1 KiB/)
  assert.match(endedByLimit(fileSize, disk(1024, limit(2048))) ?? '', /^disk limit of 1 KiB/)
  assert.match(endedByLimit(fileSize, disk(4096, limit(2048))) ?? '', /^file size limit of 2 KiB/)
})

test('a limit is said with by what it is held, and without where nobody set it', () => {
  assert.match(
    sayEnforced({ processes: limit(9, 'upload') }, 'processes'),
    /^limit of processes of 9 \(rlimit\), .*upload/,
  )
  assert.equal(sayEnforced({}, 'processes'), 'limit of processes')
})

test('that a script met its limit of processes is said where it failed', () => {
  const limits = { processes: limit(9), openFiles: limit(9) }
  assert.equal(metLimits(used(limits)), '')
  assert.match(
    metLimits(used(limits, { processes: 2 })),
    /^; it reached its limit of processes of 9/,
  )
  assert.equal(metLimits(used(limits, { openFiles: 1 })), '')
})
