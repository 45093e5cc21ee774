/** What the processes of a script use, and process ids of 0, which are nobody's. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ensureCommand } from '../../../test/harness/debian.ts'
import { Cgroups } from './cgroups.ts'
import { sumOf } from './members.ts'

test('a session that is not known has no processes: the kernel has that of 0', () => {
  assert.deepEqual(sumOf(0), { pids: [], threads: 0, cpuMs: 0, memoryBytes: 0 })
})

test('memory that processes share counts, and counts once', async (t) => {
  const missing = await ensureCommand('perl', 'perl-base')
  if (missing !== undefined) return t.skip(missing)
  // Two processes that use the same 32 MiB: mmap(2) of it is what a temporary file in memory is.
  const mib = 32
  const script = `my $file = '/dev/shm/job-orchestrator-test-' . $$; open(my $f, '+>', $file) or die;
    unlink $file; truncate $f, ${mib} << 20;
    my $at = syscall(${process.arch === 'arm64' ? 222 : 9}, 0, ${mib} << 20, 3, 1, fileno($f), 0);
    fork // die; sysread $f, my $x, 1;
    syscall(${process.arch === 'arm64' ? 63 : 0}, fileno($zero), $at, ${mib} << 20)
      if open($zero, '<', '/dev/zero'); syswrite STDOUT, "ready\\n"; sleep 100`
  const child = spawn('perl', ['-e', script], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => process.kill(-(child.pid ?? 0), 'SIGKILL'))
  let said = ''
  for await (const piece of child.stdout) {
    said += String(piece)
    if (said === 'ready\nready\n') break
  }
  const { memoryBytes, pids } = sumOf(child.pid ?? 0)
  assert.equal(pids.length, 2)
  assert.ok(memoryBytes >= mib * 1024 ** 2, `${memoryBytes} are too few`)
  assert.ok(memoryBytes < 1.7 * mib * 1024 ** 2, `${memoryBytes} are too many`)
  return undefined
})

test('a process of another PID namespace is not ended as the group of the client', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
  t.after(() => rm(directory, { recursive: true }))
  await writeFile(join(directory, 'cgroup.procs'), '12\n0\n34\n')
  assert.deepEqual(new Cgroups({ v2: directory }).pids(), [12, 34])
})
