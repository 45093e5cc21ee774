import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pino } from 'pino'
import { Cgroups } from '../executors/bounds/cgroups.ts'
import { PayloadBounds } from '../executors/bounds/payload-bounds.ts'
import { PayloadFiles } from '../files/payload-files.ts'
import { openPayloadStore } from '../store/sqlite/payloads.ts'
import { watchLimits } from './limits.ts'

test('a script whose limits cannot be watched is ended', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
  t.after(() => rm(directory, { recursive: true }))
  using store = openPayloadStore()
  const files = new PayloadFiles(directory)
  const paths = files.paths(1)
  await mkdir(paths.directory, { recursive: true })
  const payload = store.insert({ id: 1, origin: null, receivedAtMs: 1 })
  // No file can have this name: each look fails.
  const unseen = { ...paths, work: `${paths.work}\0` }
  const limits = { diskBytes: { most: 1024, of: 'client', by: 'watching' } } as const
  const { promise, resolve } = Promise.withResolvers<[string, boolean | undefined]>()
  const watch = watchLimits({ store, files, log: pino({ level: 'silent' }) }, payload, {
    pid: 1,
    bounds: new PayloadBounds(unseen, limits, new Cgroups({}), 'session'),
    kill: (why, isUrgent) => resolve([why, isUrgent]),
  })
  t.after(() => watch.stop())
  const [why, isUrgent] = await promise
  assert.match(
    why,
    /^disk limit of 1 KiB \(watching\), .*, which could not be watched: .*null bytes/,
  )
  assert.equal(isUrgent, true)
  assert.equal(await readFile(paths.kill, 'utf8'), why)
})
