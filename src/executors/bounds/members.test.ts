/** Process ids of 0, which are nobody's. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Cgroups } from './cgroups.ts'
import { sumOf } from './members.ts'

test('a session that is not known has no processes: the kernel has that of 0', () => {
  assert.deepEqual(sumOf(0), { pids: [], threads: 0, cpuMs: 0, memoryBytes: 0 })
})

test('a process of another PID namespace is not ended as the group of the client', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
  t.after(() => rm(directory, { recursive: true }))
  await writeFile(join(directory, 'cgroup.procs'), '12\n0\n34\n')
  assert.deepEqual(new Cgroups({ v2: directory }).pids(), [12, 34])
})
