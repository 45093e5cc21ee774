/** What is bounded by cgroups, and a client that is started again somewhere else. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { lacksCgroups } from '../../../test/harness/cgroups.ts'
import { PayloadFiles } from '../../files/payload-files.ts'
import { Bounds } from './bounds.ts'
import { findTrees } from './trees.ts'

const skip = lacksCgroups('end')

/** A process in the cgroups of a payload, and this one in others from then on. */
async function scene(t: TestContext) {
  const data = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
  t.after(() => rm(data, { recursive: true }))
  mkdirSync(join(data, 'payloads'))
  const files = new PayloadFiles(data)
  const task = { id: 7, paths: files.paths(7), limits: {} }
  const before = new Bounds(data, true)
  await before.noteTrees()
  const { bounds, text } = before.begin(task, 0)
  t.after(() => bounds.end())
  const child = spawn('bash', ['-c', `${text}\necho in\nexec sleep 300`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  const prefix = `job-orchestrator-test.${process.pid}`
  const { v1, v2 } = findTrees(prefix)
  for (const parent of [...v1.values(), ...(v2 ? [v2.parent] : [])]) {
    const elsewhere = join(parent, prefix)
    mkdirSync(elsewhere)
    writeFileSync(join(elsewhere, 'cgroup.procs'), String(process.pid))
    t.after(() => {
      writeFileSync(join(parent, 'cgroup.procs'), String(process.pid))
      rmdirSync(elsewhere)
    })
  }
  return { data, task, ended }
}

test('a client in another cgroup ends what is in those of before', { skip }, async (t) => {
  const { data, task, ended } = await scene(t)
  assert.ok(await new Bounds(data, true).resume(task).end())
  assert.deepEqual(await ended, [null, 'SIGKILL'])
})

test('it removes those that nobody wants', { skip }, async (t) => {
  const { data, ended } = await scene(t)
  // Also where it makes none any more, and was started once more meanwhile.
  const between = new Bounds(data, false)
  await between.noteTrees()
  assert.equal(await between.removeLeft((id) => id === 7), 0)
  assert.equal(await new Bounds(data, false).removeLeft(() => false), 0)
  assert.deepEqual(await ended, [null, 'SIGKILL'])
})

test('what a power cut has left of the note does no harm', async (t) => {
  const data = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
  t.after(() => rm(data, { recursive: true }))
  mkdirSync(join(data, 'payloads'))
  writeFileSync(join(data, 'payloads/cgroups.json'), '[{"v1":')
  const bounds = new Bounds(data, false)
  assert.equal(await bounds.removeLeft(() => false), 0)
  await bounds.noteTrees()
})
