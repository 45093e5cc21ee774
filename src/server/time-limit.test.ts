import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { Fault } from '../domain/errors.ts'
import type { Log } from '../log.ts'
import { openJobStore } from '../store/sqlite/jobs.ts'
import { TimeLimits } from './time-limit.ts'

const client = { uploadUrl: 'http://c/submit', downloadUrl: '', terminateUrl: '' }
const noLog = { warn: () => {} } as unknown as Log

type Kill = () => Promise<boolean>

/** A store with one job that is submitted, and limits whose kills are answered as the test says. */
async function setUp(
  context: TestContext,
  kill: Kill,
  { instance = 'instance', limitMs = 20 } = {},
) {
  const store = openJobStore(':memory:', { maxAttempts: 3 })
  const warnings: string[] = []
  const kills: unknown[] = []
  const limits = new TimeLimits({
    store,
    gateway: {
      kill: (_address, _key, { timeLimitMs }) => {
        kills.push(timeLimitMs)
        return kill()
      },
    },
    log: { warn: (_fields: object, text: string) => void warnings.push(text) } as unknown as Log,
    limits: new Map([['example', limitMs]]),
  })
  context.after(async () => {
    await limits.stop()
    await store[Symbol.asyncDispose]()
  })
  const id = store.reserveId()
  await store.insert({ id, userId: '1', service: 'example', isFlat: true }, 1)
  const quota = { runsPerUser: 5, maxRuns: 5 }
  await store.claim('example', quota, () => ({ key: 'k', client }), 1)
  const receipt = { attempt: 1, payloadId: 1, instance }
  await store.learn(id, { is: 'accepted', ...receipt }, 1)
  const run = (atMs = Date.now()) => store.learn(id, { is: 'started', ...receipt }, atMs)
  /** Resolves when the job has got this status. */
  const became = (status: string) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    store.onChange(({ job }) => void (job.status === status && resolve()))
    return promise
  }
  return { store, limits, id, run, became, kills, warnings }
}

/** Promises that a test resolves by calling `next`. */
function signal(): { readonly given: Promise<void>; readonly give: () => void } {
  const { promise: given, resolve: give } = Promise.withResolvers<void>()
  return { given, give }
}

test('a job that runs for too long is killed at its client, with the limit as the reason', async (context) => {
  const killed = signal()
  const { run, kills, limits, id } = await setUp(context, async () => {
    killed.give()
    return true
  })
  assert.equal(limits.passed(id), undefined)
  await run()
  await killed.given
  assert.deepEqual(kills, [20])
  assert.equal(limits.passed(id), 20)
})

test('a kill that fails is tried again, and told of once', async (context) => {
  const killed = signal()
  const { run, kills, warnings } = await setUp(context, async () => {
    if (kills.length < 3) throw new Fault('unreachable', 'nobody there')
    killed.give()
    return true
  })
  await run()
  await killed.given
  assert.equal(kills.length, 3)
  assert.equal(warnings.length, 1)
  assert.match(String(warnings[0]), /has passed its time limit, .* could not be ended yet: nobody/)
})

test('one that its client does not have any more is lost', async (context) => {
  const { run, became, store, id } = await setUp(context, async () => false)
  const queued = became('Queued')
  await run()
  await queued
  assert.equal((await store.find(id))?.message, 'its client has it no more')
})

test('one at a 2.2.3 client is only marked: whoever asks for it ends it', async (context) => {
  const { run, limits, id, kills, store } = await setUp(context, async () => true, {
    instance: '2.2.3-abc',
  })
  await run()
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setInterval(() => limits.passed(id) !== undefined && resolve(), 1)
  await promise
  clearInterval(timer)
  await limits.stop()
  assert.deepEqual(kills, [])
  await store.learn(id, { is: 'lost', attempt: 1, reason: 'gone' }, Date.now())
  assert.equal(limits.passed(id), undefined, 'another attempt begins anew')
})

test('how long a job ran before this process began counts', async (context) => {
  const { store, run } = await setUp(context, async () => true, { limitMs: 60_000 })
  await run(Date.now() - 60_000)
  const killed = signal()
  const gateway = { kill: async () => (killed.give(), true) }
  const limits = new Map([['example', 60_000]])
  const next = new TimeLimits({ store, gateway, log: noLog, limits })
  context.after(() => next.stop())
  next.takeUp(await store.active())
  await killed.given
})

test('stopping waits for no kill that is to be tried again', async (context) => {
  const tried = signal()
  const { run, limits } = await setUp(context, async () => {
    tried.give()
    throw new Fault('unreachable', 'nobody there')
  })
  await run()
  await tried.given
  await limits.stop()
})
