/** What a job costs the database, in statements: figures that do not depend on the machine. */
import assert from 'node:assert/strict'
import { DatabaseSync, StatementSync } from 'node:sqlite'
import { test } from 'node:test'
import { openJobStore } from './jobs.ts'

const client = { uploadUrl: 'http://a/submit', downloadUrl: '', terminateUrl: '' }
const quota = { runsPerUser: 1_000, maxRuns: 1_000 }
const receipt = { attempt: 1, payloadId: 7, instance: 'i' }
const result = { sizeBytes: 10, sha256: 'a'.repeat(64) }

/** Counts what is asked of SQLite while `work` is done. */
async function statementsOf(work: () => Promise<unknown>): Promise<number> {
  let count = 0
  const undo: (() => void)[] = []
  const watch = (prototype: object, name: string) => {
    const original = Reflect.get(prototype, name) as (...args: unknown[]) => unknown
    Reflect.set(prototype, name, function (this: unknown, ...args: unknown[]) {
      count++
      return original.apply(this, args)
    })
    undo.push(() => void Reflect.set(prototype, name, original))
  }
  for (const name of ['get', 'all', 'run']) watch(StatementSync.prototype, name)
  watch(DatabaseSync.prototype, 'exec')
  try {
    await work()
  } finally {
    for (const each of undo) each()
  }
  return count
}

function openStore() {
  return openJobStore(':memory:', { maxAttempts: 3 })
}

test('a job takes so many statements from its upload to its end, and no more', async () => {
  await using store = openStore()
  let keys = 0
  const choose = () => ({ key: `key-${keys++}`, client })
  const walk = async () => {
    const id = store.reserveId()
    await store.insert({ id, userId: 'ada', service: 's', isFlat: true }, 1)
    await store.claim('s', quota, choose, 2)
    await store.learn(id, { is: 'accepted', ...receipt }, 3)
    await store.learn(id, { is: 'started', ...receipt }, 4)
    const end = { is: 'ended', attempt: 1, status: 'Completed', message: '', result } as const
    await store.learn(id, end, 5)
  }
  await walk()
  // Six of each of the five writes are of its transaction: begin, savepoint, release, commit, and
  // whether anything was changed, before and after.
  assert.equal(await statementsOf(walk), 30 + 29)
})

test('to see that nobody waits takes no transaction', async () => {
  await using store = openStore()
  const claim = () => store.claim('s', quota, () => undefined, 1)
  assert.equal(await statementsOf(claim), 1)
  await store.insert({ id: store.reserveId(), userId: 'ada', service: 's', isFlat: true }, 1)
  await store.claim('s', quota, () => ({ key: 'k', client }), 1)
  assert.equal(await statementsOf(claim), 2)
  assert.equal(await statementsOf(() => store.releaseRetries(1)), 0)
})

test('a decision takes as many statements with 100,000 queued jobs as with 10', async () => {
  const decisions: number[] = []
  for (const queued of [10, 100_000]) {
    await using store = openStore()
    let ids = 0
    for (let left = queued; left > 0; left -= 1_000) {
      const inserts = Array.from({ length: Math.min(left, 1_000) }, () => {
        const userId = `user-${ids++ % 1_000}`
        return store.insert({ id: store.reserveId(), userId, service: 's', isFlat: true }, 1)
      })
      await Promise.all(inserts)
    }
    const claim = () => store.claim('s', quota, () => ({ key: 'k', client }), 2)
    decisions.push(await statementsOf(claim))
  }
  assert.deepEqual(decisions, [decisions[0], decisions[0]])
})
