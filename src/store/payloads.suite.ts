/** What every index of payloads must do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PayloadStore } from './payloads.ts'

const server = '0123456789abcdef'
const result = { sizeBytes: 10, sha256: 'a'.repeat(64) }

function origin(token: string, serverId = server) {
  return { key: `${serverId}-${token}`, jobId: 1, userId: 'ada', service: 'example', attempt: 1 }
}

/** Runs the suite; `open` opens a new, empty store. */
export function payloadStoreSuite(name: string, open: () => PayloadStore): void {
  const check = (behaviour: string, body: (store: PayloadStore) => void): void => {
    test(`${name}: ${behaviour}`, () => {
      using store = open()
      body(store)
    })
  }

  check('a new payload is prepared, and found by its id and its key', (store) => {
    const payload = store.insert({ id: 5, origin: origin('a'), receivedAtMs: 1 })
    assert.equal(payload.status, 'Prepared')
    assert.deepEqual(payload.origin, origin('a'))
    assert.deepEqual(store.find(5), payload)
    assert.deepEqual(store.findByKey(origin('a').key), payload)
    assert.equal(store.find(6), undefined)
    assert.equal(store.findByKey('b'), undefined)
  })

  check('a payload may have a time limit', (store) => {
    const limits = [
      { maxRuntimeMs: 400 * 86_400_000, maxRuntimeOf: 'service' },
      { maxRuntimeMs: 1, maxRuntimeOf: 'upload' },
    ] as const
    for (const [id, limit] of limits.entries()) {
      const limited = { ...origin(String(id)), ...limit }
      store.insert({ id, origin: limited, receivedAtMs: 1 })
      assert.deepEqual(store.change(id, 'Prepared', 'Running', {})?.origin, limited)
    }
  })

  check('a payload may have no key; a key is had once', (store) => {
    assert.equal(store.insert({ id: 1, origin: null, receivedAtMs: 1 }).origin, null)
    store.insert({ id: 2, origin: null, receivedAtMs: 1 })
    store.insert({ id: 3, origin: origin('a'), receivedAtMs: 1 })
    assert.throws(() => store.insert({ id: 4, origin: origin('a'), receivedAtMs: 1 }))
    assert.throws(() => store.insert({ id: 3, origin: origin('b'), receivedAtMs: 1 }))
  })

  check('a step is taken only from the status that it names', (store) => {
    store.insert({ id: 1, origin: null, receivedAtMs: 1 })
    assert.equal(store.change(1, 'Running', 'Running', { pid: 7 }), undefined)
    assert.equal(store.change(1, 'Prepared', 'Running', { startedAtMs: 2 })?.startedAtMs, 2)
    assert.equal(store.change(1, 'Prepared', 'Running', { startedAtMs: 3 }), undefined)
    assert.equal(store.change(1, 'Running', 'Running', { pid: 7 })?.pid, 7)
    const ended = store.change(1, 'Running', 'Completed', { endedAtMs: 4, result })
    assert.deepEqual([ended?.startedAtMs, ended?.pid, ended?.result], [2, 7, result])
    assert.equal(store.change(99, 'Prepared', 'Running', {}), undefined)
  })

  check('steps that no payload can take are refused', (store) => {
    store.insert({ id: 1, origin: null, receivedAtMs: 1 })
    assert.throws(() => store.change(1, 'Prepared', 'Completed', { endedAtMs: 4, result }))
    assert.throws(() => store.change(1, 'Prepared', 'Failed', {}), 'an end has a time')
    store.change(1, 'Prepared', 'Running', {})
    assert.throws(() => store.change(1, 'Running', 'Completed', { endedAtMs: 4 }), 'no result')
    assert.equal(store.find(1)?.status, 'Running')
  })

  check('payloads start in the order of their ids, but for those to be killed', (store) => {
    for (const id of [1, 2, 3]) store.insert({ id, origin: null, receivedAtMs: 1 })
    store.change(1, 'Prepared', 'Prepared', { killReason: 'x' })
    assert.equal(store.nextPrepared()?.id, 2)
    store.change(2, 'Prepared', 'Running', {})
    assert.equal(store.nextPrepared()?.id, 3)
    store.remove(3)
    assert.equal(store.nextPrepared(), undefined)
  })

  check('it counts what has not ended', (store) => {
    for (const id of [1, 2, 3]) store.insert({ id, origin: null, receivedAtMs: 1 })
    store.change(2, 'Prepared', 'Running', {})
    store.change(3, 'Prepared', 'Killed', { endedAtMs: 1, result })
    assert.deepEqual({ ...store.count() }, { active: 2, running: 1 })
  })

  check('it counts what has ended, with a key and without', (store) => {
    for (const id of [1, 2, 3]) store.insert({ id, origin: null, receivedAtMs: 1 })
    for (const id of [4, 5]) store.insert({ id, origin: origin(`${id}`), receivedAtMs: 1 })
    for (const id of [1, 2, 4]) store.change(id, 'Prepared', 'Killed', { endedAtMs: 1, result })
    assert.deepEqual({ ...store.countEnded() }, { unfetched: 1, kept: 2 })
    store.remove(4)
    assert.deepEqual({ ...store.countEnded() }, { unfetched: 0, kept: 2 })
  })

  check('a server sees its own payloads only', (store) => {
    store.insert({ id: 1, origin: origin('a'), receivedAtMs: 1 })
    store.insert({ id: 2, origin: origin('b', 'fedcba9876543210'), receivedAtMs: 1 })
    store.insert({ id: 3, origin: null, receivedAtMs: 1 })
    assert.deepEqual(
      store.ofServer(server).map(({ id }) => id),
      [1],
    )
  })

  check('ended payloads are found by whose they are and when they ended', (store) => {
    const other = 'fedcba9876543210'
    const end = (id: number, whose: ReturnType<typeof origin> | null, endedAtMs: number) => {
      store.insert({ id, origin: whose, receivedAtMs: 1 })
      store.change(id, 'Prepared', 'Killed', { endedAtMs, result })
    }
    assert.deepEqual(store.ended(), [])
    end(1, origin('a'), 30)
    end(2, origin('b'), 20)
    end(3, origin('c', other), 10)
    end(4, null, 40)
    end(5, null, 50)
    store.insert({ id: 6, origin: null, receivedAtMs: 1 })
    store.insert({ id: 7, origin: origin('d'), receivedAtMs: 1 })
    store.change(7, 'Prepared', 'Running', { startedAtMs: 2 })
    assert.deepEqual(
      store.ended().toSorted((a, b) => a.oldestEndedAtMs - b.oldestEndedAtMs),
      [
        { serverId: other, oldestEndedAtMs: 10 },
        { serverId: server, oldestEndedAtMs: 20 },
        { serverId: null, oldestEndedAtMs: 40 },
      ],
    )
    const ids = (...args: Parameters<typeof store.endedBefore>) =>
      store.endedBefore(...args).map(({ id }) => id)
    assert.deepEqual(ids(server, 100, 10), [2, 1])
    assert.deepEqual(ids(server, 30, 10), [2])
    assert.deepEqual(ids(server, 100, 1), [2])
    assert.deepEqual(ids(null, 100, 10), [4, 5])
    assert.deepEqual(ids(other, 10, 10), [])
  })

  check('what is removed is gone', (store) => {
    store.insert({ id: 1, origin: origin('a'), receivedAtMs: 1 })
    store.remove(1)
    assert.equal(store.find(1), undefined)
    assert.deepEqual(store.ofServer(server), [])
    store.check()
  })
}
