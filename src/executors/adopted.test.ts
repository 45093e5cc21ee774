import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pino } from 'pino'
import { PayloadFiles } from '../files/payload-files.ts'
import type { Exit } from '../domain/payload.ts'
import { adopt } from './adopted.ts'
import { Bounds } from './bounds/bounds.ts'
import { readStat } from './processes.ts'

test('a script that ended while nobody was there cannot be ended, whatever it left behind', async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
  context.after(() => rm(directory, { recursive: true }))
  const paths = new PayloadFiles(directory).paths(1)
  await mkdir(paths.directory, { recursive: true })
  const left = spawn('sleep', ['1000'], { env: { PATH: process.env['PATH'], TMPDIR: paths.tmp } })
  context.after(() => left.kill('SIGKILL'))
  const gone = once(left, 'exit')
  await once(left, 'spawn')
  await writeFile(paths.start, '1 1 another-boot\n')
  await writeFile(paths.exit, '0m0.001s 0m0.002s\n0m1.000s 0m0.500s\nexit 0\n')
  const execution = await adopt(
    { id: 1, service: null, paths, common: {}, own: {}, limits: {} },
    60_000,
    new Bounds(directory, false),
    pino({ level: 'silent' }),
  )
  execution?.kill('job terminated')
  assert.equal(await execution?.ranMs(), undefined)
  const ended = await execution?.ended
  const { usage: _, ...exit } = ended as Exit
  assert.deepEqual(exit, { exitCode: 0, cpuSeconds: 1.5, killReason: null })
  await gone
})

test('how long a script has run is told by its start, not by when it was taken back', async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
  context.after(() => rm(directory, { recursive: true }))
  const paths = new PayloadFiles(directory).paths(1)
  await mkdir(paths.directory, { recursive: true })
  // This process will do for a shell: it is there, and has been for a while.
  const pid = process.pid
  const stat = readStat(pid)
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'latin1')
  await writeFile(paths.start, `${pid} ${stat?.startTime} ${boot}`)
  const execution = await adopt(
    { id: 1, service: null, paths, common: {}, own: {}, limits: {} },
    60_000,
    new Bounds(directory, false),
    pino({ level: 'silent' }),
  )
  const leastMs = 1000 * process.uptime()
  const ranMs = (await execution?.ranMs()) ?? 0
  // A tick is 10 ms.
  assert.ok(ranMs >= leastMs - 10, `${ranMs} ms are less than ${leastMs} ms`)
  await writeFile(paths.exit, '0m0.001s 0m0.002s\n0m1.000s 0m0.500s\nexit 0\n')
  const ended = await execution?.ended
  const { usage: _, ...exit } = ended as Exit
  assert.deepEqual(exit, { exitCode: 0, cpuSeconds: 1.5, killReason: null })
})
