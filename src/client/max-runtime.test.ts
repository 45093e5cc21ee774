/** What takes days with a real script, or a machine that sleeps. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setImmediate as immediate } from 'node:timers/promises'
import { pino } from 'pino'
import { PayloadFiles } from '../files/payload-files.ts'
import { openPayloadStore } from '../store/sqlite/payloads.ts'
import { watchRuntime } from './max-runtime.ts'

const dayMs = 86_400_000
const key = `0123456789abcdef-${'0'.repeat(32)}`
const reason = 'time limit: it ran for longer than 30 d, the max_runtime of its upload'

/** A payload that may run for 30 days, and has run for as long as the test says. */
async function setUp(context: TestContext, ranMs: () => number | undefined | Promise<number>) {
  const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
  context.after(() => rm(directory, { recursive: true }))
  const store = openPayloadStore()
  context.after(() => store[Symbol.dispose]())
  const files = new PayloadFiles(directory)
  await mkdir(files.paths(1).directory, { recursive: true })
  const limit = { maxRuntimeMs: 30 * dayMs, maxRuntimeOf: 'upload' } as const
  const origin = { key, jobId: 1, userId: '1', service: 'example', attempt: 1, ...limit }
  const payload = store.insert({ id: 1, origin, receivedAtMs: 1 })
  const asked = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<string>()
  const kills: string[] = []
  const execution = {
    ranMs: async () => {
      asked.resolve()
      return ranMs()
    },
    kill(why: string) {
      kills.push(why)
      ended.resolve(why)
    },
  }
  const room = { store, files, log: pino({ level: 'silent' }) }
  const watch = watchRuntime(room, payload, execution, 5)
  const noted = () => readFile(files.paths(1).kill, 'utf8').catch(() => undefined)
  return { store, watch, kills, asked: asked.promise, ended: ended.promise, noted }
}

test('a script is ended soon after its machine wakes up, and not by the timer alone', async (context) => {
  const told = [5 * dayMs, 5 * dayMs, 30 * dayMs - 1, 30 * dayMs]
  const { ended, noted } = await setUp(context, () => told.shift())
  assert.equal(await ended, reason)
  assert.deepEqual(told, [], 'not before')
  assert.equal(await noted(), reason)
})

test('what is to be ended already, or has ended, is left alone; what is stopped ends no more', async (context) => {
  const answer = Promise.withResolvers<number>()
  const terminated = await setUp(context, () => answer.promise)
  // It is asked how long it has run; before the answer comes, somebody terminates it.
  await terminated.asked
  terminated.store.change(1, 'Prepared', 'Prepared', { killReason: 'job terminated' })
  answer.resolve(31 * dayMs)
  await immediate()
  await terminated.watch.stop()
  assert.deepEqual([terminated.kills, await terminated.noted()], [[], undefined])

  const over = await setUp(context, () => undefined)
  await over.watch.stop()
  assert.deepEqual([over.kills, await over.noted()], [[], undefined])

  const late = Promise.withResolvers<number>()
  const stopped = await setUp(context, () => late.promise)
  await stopped.asked
  const idle = stopped.watch.stop()
  late.resolve(31 * dayMs)
  await idle
  assert.deepEqual([stopped.kills, await stopped.noted()], [[], undefined])
})
