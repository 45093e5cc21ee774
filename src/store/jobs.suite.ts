/** What every store of jobs must do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Fact } from '../domain/decide.ts'
import type { Job } from '../domain/job.ts'
import { compareTurns, nextTurn } from '../domain/quota.ts'
import type { ActiveJob, Choice, JobChange, JobStore } from './jobs.ts'

const client = {
  uploadUrl: 'http://node1:9000/submit',
  downloadUrl: 'http://node1:9000/retrieve',
  terminateUrl: 'http://node1:9000/kill',
}
const wide = { runsPerUser: 100, maxRuns: 100 }
const receipt = { payloadId: 7, instance: 'i' }
const result = { sizeBytes: 10, sha256: 'a'.repeat(64) }

const [print, otherPrint] = ['b'.repeat(64), 'c'.repeat(64)]

let keys = 0
const newKey = () => `key-${keys++}`

async function insert(store: JobStore, userId = 'ada', service = 'example'): Promise<Job> {
  const job = await store.insert({ id: store.reserveId(), userId, service, isFlat: true }, 1)
  assert.deepEqual(job, await store.find(job.id), 'what is told is what is stored')
  return job
}

function claim(store: JobStore, quota = wide, service = 'example'): Promise<ActiveJob | undefined> {
  return store.claim(service, quota, () => ({ key: newKey(), client }), 2)
}

/** Chooses as where every client is an older one. */
function chooseFlat({ isFlat }: Job): Choice {
  if (isFlat) return { key: newKey(), client }
  return { passedOverUntilMs: 5, reason: 'has directories' }
}

async function claimed(store: JobStore): Promise<ActiveJob> {
  const active = await claim(store)
  assert.ok(active)
  assert.deepEqual(active, await store.current(active.job.id), 'what is told is what is stored')
  return active
}

async function learn(
  store: JobStore,
  { id }: { id: number },
  fact: Fact,
): Promise<Job | undefined> {
  const job = await store.learn(id, fact, 3)
  if (job) assert.deepEqual(job, await store.find(id), 'what is told is what is stored')
  return job
}

/** The fact that an attempt has completed. */
function end(attempt: number): Fact {
  return { is: 'ended', attempt, status: 'Completed', message: '', result }
}

/**
 * Runs the suite.
 *
 * @param open opens a new, empty store where three lost attempts fail a job.
 */
export function jobStoreSuite(name: string, open: () => Promise<JobStore>): void {
  const check = (behaviour: string, body: (store: JobStore) => Promise<void>): void => {
    test(`${name}: ${behaviour}`, async () => {
      await using store = await open()
      await body(store)
    })
  }

  check('a new job is queued, and has a history', async (store) => {
    const job = await insert(store)
    assert.equal(job.status, 'Queued')
    assert.deepEqual(await store.find(job.id), job)
    assert.deepEqual(await store.history(job.id), [
      { atMs: 1, from: null, to: 'Queued', attempt: 0, client: null, reason: 'uploaded' },
    ])
    assert.deepEqual(await store.attempts(job.id), [])
  })

  check('ids are positive and never given twice', async (store) => {
    const ids = [store.reserveId(), (await insert(store)).id, store.reserveId()]
    assert.deepEqual(ids, [1, 2, 3])
    assert.equal(store.highestId, 3)
    await assert.rejects(
      store.insert({ id: 2, userId: 'ada', service: 'example', isFlat: true }, 1),
    )
  })

  check('an upload is one job under its key, however often it is inserted', async (store) => {
    const once = (userId: string, key: string, fingerprint = print) =>
      store.insertOnce(
        { id: store.reserveId(), userId, service: 'example', isFlat: true },
        { key, fingerprint },
        1,
      )
    const [first, second] = await Promise.all([once('ada', 'k'), once('ada', 'k', otherPrint)])
    assert.deepEqual([first.isNew, first.job.id], [true, 1])
    assert.deepEqual(second, { ...first, isNew: false }, 'what was there, and its fingerprint')
    assert.equal(await store.find(2), undefined)
    assert.deepEqual(await store.findUpload('ada', 'k'), { job: first.job, fingerprint: print })
    for (const [user, key] of [
      ['eve', 'k'],
      ['ada', 'K'],
    ] as const) {
      assert.equal(await store.findUpload(user, key), undefined)
      const { job, isNew } = await once(user, key)
      assert.ok(isNew)
      assert.deepEqual(await store.history(job.id), await store.history(1))
    }
    await insert(store)
    await insert(store)
  })

  check('so many jobs of a user may wait, those that back off too', async (store) => {
    const insertOf = (userId: string, mostQueued?: number) =>
      store.insert(
        { id: store.reserveId(), userId, service: 'example', isFlat: true },
        1,
        mostQueued,
      )
    const many = await Promise.allSettled(Array.from({ length: 9 }, () => insertOf('ada', 3)))
    assert.equal(many.filter(({ status }) => status === 'fulfilled').length, 3)
    const refused = many.find(({ status }) => status === 'rejected')
    assert.match(
      String((refused as PromiseRejectedResult).reason),
      /3 jobs queued in service "example"/,
    )
    assert.equal(await store.countQueued('example', 'ada'), 3)
    assert.equal(await store.countQueued('example', 'bob'), 0)
    await insertOf('bob', 1)

    const { job } = await claimed(store)
    assert.equal(await store.countQueued('example', 'ada'), 2)
    await learn(store, job, { is: 'undelivered', attempt: 1, reason: 'no slot', retryAtMs: 9 })
    assert.equal(await store.countQueued('example', 'ada'), 3, 'it backs off, and waits still')
    await assert.rejects(insertOf('ada', 3), { code: 'too_many' })
    await store.releaseRetries(9)
    assert.equal(await store.countQueued('example', 'ada'), 3)
    await claimed(store) // of bob, who had no turn yet
    await claimed(store)
    await insertOf('ada', 3)
    await insertOf('ada')
    await assert.rejects(insertOf('ada', 4), { code: 'too_many' })
  })

  check('what came under its key before is told, however many wait', async (store) => {
    const once = (key: string) =>
      store.insertOnce(
        { id: store.reserveId(), userId: 'ada', service: 'example', isFlat: true },
        { key, fingerprint: print },
        1,
        1,
      )
    const { job } = await once('k')
    await assert.rejects(once('another'), { code: 'too_many' })
    const again = await once('k')
    assert.deepEqual([again.isNew, again.job.id], [false, job.id])
  })

  check('a key is kept until its job is Cleaned', async (store) => {
    const insertAgain = () =>
      store.insertOnce(
        { id: store.reserveId(), userId: 'ada', service: 'example', isFlat: true },
        { key: 'k', fingerprint: print },
        1,
      )
    const { job } = await insertAgain()
    await claimed(store)
    await learn(store, job, { is: 'undelivered', attempt: 1, reason: 'no slot', retryAtMs: null })
    const killed = await learn(store, job, { is: 'terminate requested' })
    const again = await insertAgain()
    assert.deepEqual([again.isNew, again.job], [false, killed])
    await learn(store, job, { is: 'aged', maxAgeMs: 0 })
    assert.equal(await store.findUpload('ada', 'k'), undefined)
    const next = await insertAgain()
    assert.ok(next.isNew)
    assert.notEqual(next.job.id, job.id)
    assert.equal((await store.find(job.id))?.status, 'Cleaned')
  })

  check('what a job may ask for is remembered', async (store) => {
    const id = store.reserveId()
    const asked = { scriptAttempts: 3, maxRuntimeMs: 1_500 }
    const job = await store.insert({ id, userId: 'a', service: 's', isFlat: true, ...asked }, 1)
    assert.deepEqual([job.scriptAttempts, job.maxRuntimeMs, job.failedAttempts], [3, 1_500, 0])
    await claim(store, wide, 's')
    const message = 'exit code 1'
    const failed: Fact = { is: 'ended', attempt: 1, status: 'Failed', message, result }
    const queued = await learn(store, job, failed)
    assert.deepEqual([queued?.status, queued?.failedAttempts], ['Queued', 1])
    assert.deepEqual(await store.find(id), queued)
    assert.equal((await claim(store, wide, 's'))?.job.attempt, 2)
  })

  check('files are needed as long as a job is not Cleaned', async (store) => {
    assert.equal(await store.needsFiles(), false)
    const job = await insert(store)
    await learn(store, job, { is: 'terminate requested' })
    assert.equal(await store.needsFiles(), true)
    await learn(store, job, { is: 'aged', maxAgeMs: 0 })
    assert.equal(await store.needsFiles(), false)
  })

  check('what is not there is not found', async (store) => {
    assert.equal(await store.find(99), undefined)
    assert.equal(await store.findByKey('no such key'), undefined)
    assert.equal(await store.current(99), undefined)
    assert.equal(await store.learn(99, { is: 'terminate requested' }, 1), undefined)
    assert.equal(await claim(store), undefined)
    assert.deepEqual(await store.active(), [])
  })

  check('a claim gives the job to a client under its key', async (store) => {
    const { id } = await insert(store)
    const active = await claimed(store)
    assert.equal(active.job.id, id)
    assert.equal(active.job.status, 'Processing')
    assert.equal(active.job.attempt, 1)
    assert.deepEqual(active.attempt.client, client)
    assert.deepEqual(await store.findByKey(active.attempt.key), active)
    assert.deepEqual(await store.current(id), active)
    assert.deepEqual(await store.active(), [active])
    assert.deepEqual(await store.active(client.uploadUrl), [active])
    assert.deepEqual(await store.active('http://elsewhere/submit'), [])
    assert.equal(await claim(store), undefined)
  })

  check('a job that no client can take is passed over, and keeps its place', async (store) => {
    const bulky = await store.insert(
      { id: store.reserveId(), userId: 'ada', service: 'example', isFlat: false },
      1,
    )
    const flat = await insert(store)
    assert.equal(await store.current(bulky.id), undefined)
    assert.equal((await store.claim('example', wide, chooseFlat, 2))?.job.id, flat.id)
    const passedOver = await store.find(bulky.id)
    assert.equal(passedOver?.status, 'Queued')
    assert.equal(passedOver?.message, 'has directories')
    assert.equal((await store.history(bulky.id)).length, 1)
    assert.equal(await store.claim('example', wide, chooseFlat, 2), undefined)
    assert.equal(await store.claim('example', wide, () => undefined, 2), undefined)
    await insert(store)
    await store.releaseRetries(5)
    assert.equal((await claim(store))?.job.id, bulky.id)
  })

  check('the walk of a job is remembered step by step', async (store) => {
    const { id } = await insert(store)
    await claimed(store)
    await learn(store, { id }, { is: 'accepted', attempt: 1, ...receipt })
    await learn(store, { id }, { is: 'started', attempt: 1, ...receipt })
    const job = await learn(store, { id }, end(1))
    assert.equal(job?.status, 'Completed')
    assert.equal(job?.finalAtMs, 3)
    assert.deepEqual(job?.result, result)
    assert.deepEqual(
      (await store.history(id)).map(({ from, to }) => [from, to]),
      [
        [null, 'Queued'],
        ['Queued', 'Processing'],
        ['Processing', 'Submitted'],
        ['Submitted', 'Running'],
        ['Running', 'Completed'],
      ],
    )
    const [attempt] = await store.attempts(id)
    assert.equal(attempt?.payloadId, 7)
    assert.equal(attempt?.startedAtMs, 3)
    assert.equal(attempt?.endedAtMs, 3)
  })

  check('a fact that changes nothing writes nothing', async (store) => {
    const { id } = await insert(store)
    const { attempt } = await claimed(store)
    assert.equal(await learn(store, { id }, end(2)), undefined)
    await learn(store, { id }, end(1))
    const before = [await store.find(id), await store.history(id)]
    for (const fact of [end(1), { is: 'lost', attempt: 1, reason: 'x' } as const]) {
      assert.equal(await learn(store, { id }, fact), undefined)
    }
    assert.deepEqual([await store.find(id), await store.history(id)], before)
    assert.equal((await store.findByKey(attempt.key))?.job.status, 'Completed')
  })

  check('a job that goes back to the queue gets a new attempt', async (store) => {
    const { id } = await insert(store)
    const first = await claimed(store)
    const fact = { is: 'undelivered', attempt: 1, reason: 'no slot', retryAtMs: null } as const
    const queued = await learn(store, { id }, fact)
    assert.equal(queued?.status, 'Queued')
    assert.equal(queued?.message, 'no slot')
    const second = await claimed(store)
    assert.equal(second.job.attempt, 2)
    assert.notEqual(second.attempt.key, first.attempt.key)
    assert.equal((await store.findByKey(first.attempt.key))?.attempt.outcome, 'no slot')
  })

  check(
    'a job of a lost client keeps its slot and goes to another one in one act',
    async (store) => {
      const { id } = await insert(store)
      await insert(store)
      const narrow = { runsPerUser: 1, maxRuns: 1 }
      await claim(store, narrow)
      await learn(store, { id }, { is: 'started', attempt: 1, ...receipt })
      const other = { ...client, uploadUrl: 'http://node2:9000/submit' }
      const fact = { is: 'client lost', attempt: 1, reason: 'silent' } as const
      const give = () => ({ key: newKey(), client: other, instance: 'j' })
      assert.equal(await store.relocate(99, fact, give, 4), undefined)
      assert.equal(await store.relocate(id, { ...fact, attempt: 2 }, give, 4), undefined)
      assert.equal(await store.relocate(id, fact, () => undefined, 4), undefined)
      assert.equal((await store.find(id))?.status, 'Running', 'it stays until somebody takes it')
      const moved = await store.relocate(id, fact, give, 4)
      assert.deepEqual(
        [moved?.job.status, moved?.job.attempt, moved?.job.lostAttempts],
        ['Processing', 2, 1],
      )
      assert.deepEqual([moved?.attempt.client, moved?.attempt.instance], [other, 'j'])
      assert.equal(await claim(store, narrow), undefined, 'it keeps its slot')
      assert.deepEqual(
        (await store.history(id)).slice(-2).map(({ from, to, reason }) => [from, to, reason]),
        [
          ['Running', 'Queued', 'silent'],
          ['Queued', 'Processing', 'another client takes it'],
        ],
      )
      assert.equal((await store.attempts(id))[0]?.outcome, 'silent')
      assert.equal(await learn(store, { id }, end(1)), undefined, 'what comes late changes nothing')
      const again = { ...fact, attempt: 2 }
      assert.ok(await store.relocate(id, again, () => ({ key: newKey(), client }), 5))
      const last = await store.relocate(id, { ...fact, attempt: 3 }, give, 6)
      assert.equal(last, undefined, 'one more loss would be the end: it waits')
    },
  )
  check('a job that backs off delays no other, and comes back when it is due', async (store) => {
    const late = await insert(store)
    await claimed(store)
    await learn(store, late, { is: 'undelivered', attempt: 1, reason: 'x', retryAtMs: 100 })
    const next = await insert(store)
    assert.equal((await claimed(store)).job.id, next.id)
    assert.equal(await claim(store), undefined)
    assert.equal(await store.releaseRetries(99), 100)
    assert.equal(await claim(store), undefined)
    assert.equal(await store.releaseRetries(100), undefined)
    assert.equal((await claimed(store)).job.id, late.id)
  })

  check('both limits hold, and a slot is free again when its job ends', async (store) => {
    for (const user of ['a', 'a', 'a', 'b', 'c']) await insert(store, user)
    const quota = { runsPerUser: 2, maxRuns: 3 }
    const started: string[] = []
    for (let one = await claim(store, quota); one; one = await claim(store, quota)) {
      started.push(one.job.userId)
    }
    assert.deepEqual(started, ['a', 'b', 'c'])
    await learn(store, { id: 4 }, end(1))
    assert.equal((await claim(store, quota))?.job.userId, 'a')
    assert.equal(await claim(store, quota), undefined)
    await learn(store, { id: 5 }, end(1))
    assert.equal(await claim(store, quota), undefined, 'a has two')
  })

  check('services do not share limits', async (store) => {
    await insert(store, 'a', 'one')
    await insert(store, 'a', 'two')
    const narrow = { runsPerUser: 1, maxRuns: 1 }
    assert.equal((await claim(store, narrow, 'one'))?.job.service, 'one')
    assert.equal((await claim(store, narrow, 'two'))?.job.service, 'two')
  })

  check('starts follow nextTurn, over a long random run', async (store) => {
    const users = ['a', 'b', 'c', 'd']
    const quota = { runsPerUser: 2, maxRuns: 5 }
    const random = randomNumbers(7)
    const model = new Map<string, { active: number; lastStart: number; first: number }>()
    const queued: Job[] = []
    const running: Job[] = []
    let starts = 0
    for (let round = 0; round < 400; round++) {
      const userId = users[Math.floor(random() * users.length)] ?? ''
      const dice = random()
      if (dice < 0.4) {
        const job = await insert(store, userId)
        queued.push(job)
        if (!model.has(userId)) model.set(userId, { active: 0, lastStart: 0, first: job.id })
      } else if (dice < 0.65 && running.length > 0) {
        const [job] = running.splice(Math.floor(random() * running.length), 1)
        assert.ok(job)
        await learn(store, job, end(1))
        const user = model.get(job.userId)
        if (user) user.active--
      } else {
        const waiting = [...model]
          .filter(([user]) => queued.some((job) => job.userId === user))
          .map(([user, { active, lastStart, first }]) => {
            return { userId: user, active, lastStart, firstJob: first }
          })
        const expected = nextTurn(waiting.toSorted(compareTurns), running.length, quota)
        const active = await claim(store, quota)
        assert.equal(active?.job.userId, expected?.userId, `round ${round}`)
        if (!active) continue
        const oldest = queued.findIndex((job) => job.userId === active.job.userId)
        assert.equal(active.job.id, queued.splice(oldest, 1)[0]?.id, 'a user in order of arrival')
        running.push(active.job)
        const user = model.get(active.job.userId)
        if (user) Object.assign(user, { active: user.active + 1, lastStart: ++starts })
      }
    }
    assert.ok(starts > 50)
  })

  check('the backlog counts what is not final', async (store) => {
    await store.insert({ id: store.reserveId(), userId: 'a', service: 'one', isFlat: true }, 50)
    await store.insert({ id: store.reserveId(), userId: 'a', service: 'one', isFlat: true }, 60)
    await insert(store, 'a', 'two')
    await claim(store, wide, 'two')
    assert.deepEqual(
      await store.backlog(),
      new Map([
        ['one', { queued: 2, active: 0, oldestQueuedAtMs: 50 }],
        ['two', { queued: 0, active: 1, oldestQueuedAtMs: null }],
      ]),
    )
    await learn(store, { id: 3 }, end(1))
    assert.deepEqual([...(await store.backlog()).keys()], ['one'])
  })

  check('final jobs are found by their ages, the oldest first', async (store) => {
    const ids = [3, 1, 2].map(() => store.reserveId())
    for (const id of ids)
      await store.insert({ id, userId: 'ada', service: 'example', isFlat: true }, 1)
    assert.equal(await store.oldestFinalAtMs(), undefined)
    for (const [index, atMs] of [300, 100, 200].entries()) {
      await store.learn(ids[index] ?? 0, { is: 'terminate requested' }, atMs)
    }
    await insert(store)
    await claimed(store)
    await insert(store)
    assert.equal(await store.oldestFinalAtMs(), 100)
    assert.deepEqual(await store.finalBefore(300, 10), [2, 3])
    assert.deepEqual(await store.finalBefore(1_000, 10), [2, 3, 1], 'what is not final has no age')
    assert.deepEqual(await store.finalBefore(1_000, 1), [2])
    assert.equal(await store.learn(2, { is: 'aged', maxAgeMs: 50 }, 149), undefined)
    const cleaned = await store.learn(2, { is: 'aged', maxAgeMs: 50 }, 150)
    assert.equal(cleaned?.status, 'Cleaned')
    assert.equal(cleaned?.finalAtMs, 100)
    assert.deepEqual(await store.finalBefore(1_000, 10), [3, 1])
    assert.equal(await store.oldestFinalAtMs(), 200)
  })

  check('a cleaned job keeps its record, and has no result', async (store) => {
    const { id } = await insert(store)
    await claimed(store)
    await learn(store, { id }, end(1))
    const before = await store.history(id)
    const cleaned = await store.learn(id, { is: 'aged', maxAgeMs: 10 }, 13)
    assert.deepEqual(await store.find(id), cleaned)
    assert.deepEqual([cleaned?.status, cleaned?.result], ['Cleaned', null])
    assert.deepEqual((await store.history(id)).slice(0, -1), before)
    const last = (await store.history(id)).at(-1)
    assert.deepEqual([last?.atMs, last?.from, last?.to], [13, 'Completed', 'Cleaned'])
    assert.equal((await store.attempts(id)).length, 1)
  })

  check('jobs whose files are missing end, each in its way', async (store) => {
    const missing = { is: 'files missing', reason: 'its files were nowhere' } as const
    const [retried, sent] = [await insert(store), await insert(store)]
    await claimed(store)
    const loss = { is: 'undelivered', attempt: 1, reason: 'no slot', retryAtMs: 100 } as const
    await store.learn(retried.id, loss, 5)
    await claimed(store)
    for (const { id } of [retried, sent]) {
      const failed = await store.learn(id, missing, 10)
      assert.deepEqual([failed?.status, failed?.message], ['Failed', missing.reason])
      const last = (await store.history(id)).at(-1)
      assert.deepEqual([last?.to, last?.reason, last?.atMs], ['Failed', missing.reason, 10])
      assert.equal(await store.learn(id, missing, 20).then((after) => after?.status), 'Cleaned')
    }
    assert.equal((await store.attempts(retried.id))[0]?.outcome, 'no slot')
    assert.equal((await store.attempts(sent.id))[0]?.outcome, missing.reason)
    assert.deepEqual(await store.active(), [])
  })

  check('only jobs that are there and not cleaned need their files', async (store) => {
    assert.deepEqual(await store.withoutFiles([]), [])
    const queued = await insert(store)
    await claimed(store)
    const skipped = store.reserveId()
    const [killed, cleaned] = [await insert(store), await insert(store)]
    for (const { id } of [killed, cleaned]) {
      await store.learn(id, { is: 'terminate requested' }, 10)
    }
    await store.learn(cleaned.id, { is: 'aged', maxAgeMs: 1 }, 20)
    const ids = [queued.id, skipped, killed.id, cleaned.id, 99]
    assert.deepEqual(await store.withoutFiles(ids), [skipped, cleaned.id, 99])
  })

  check('the time of the last change is remembered', async (store) => {
    assert.equal(await store.lastChangeAtMs(), null)
    const { id } = await insert(store)
    assert.equal(await store.lastChangeAtMs(), 1)
    await store.learn(id, { is: 'terminate requested' }, 50)
    assert.equal(await store.lastChangeAtMs(), 50)
  })

  check('listeners hear every change, in order, after it was committed', async (store) => {
    const heard: JobChange[] = []
    store.onChange((change) => heard.push(change))
    const { id } = await insert(store)
    await claimed(store)
    await learn(store, { id }, { is: 'terminate requested' })
    await learn(store, { id }, end(1))
    assert.deepEqual(
      heard.map(({ from, job, client: at }) => [from, job.status, at]),
      [
        [null, 'Queued', null],
        ['Queued', 'Processing', client.uploadUrl],
        ['Processing', 'Processing', client.uploadUrl],
        ['Processing', 'Submitted', client.uploadUrl],
        ['Submitted', 'Completed', client.uploadUrl],
      ],
    )
  })

  check('what is claimed while it is inserted is told together with it', async (store) => {
    const claims: Promise<ActiveJob | undefined>[] = []
    const heard: JobChange[][] = [[]]
    store.onNew((service) => claims.push(claim(store, wide, service)))
    store.onChange((change) => {
      if (heard.at(-1)?.length === 0) setImmediate(() => heard.push([]))
      heard.at(-1)?.push(change)
    })
    const job = { id: store.reserveId(), userId: 'ada', service: 'example', isFlat: true }
    const inserted = await store.insert(job, 1)
    assert.equal(inserted.status, 'Queued')
    const active = await claims[0]
    assert.equal(active?.job.id, inserted.id)
    assert.equal(claims.length, 1)
    assert.deepEqual(
      heard[0]?.map((change) => change.job.status),
      ['Queued', 'Processing'],
    )
  })

  check('a write that fails undoes itself alone, and is not told', async (store) => {
    const heard: JobChange[] = []
    store.onChange((change) => heard.push(change))
    const { id } = await insert(store)
    // All three arrive together; the one in the middle repeats an id.
    const outcomes = await Promise.allSettled([
      insert(store),
      store.insert({ id, userId: 'eve', service: 'example', isFlat: true }, 1),
      insert(store),
    ])
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
    assert.deepEqual(
      heard.map(({ job }) => job.id),
      [1, 2, 3],
    )
    assert.equal((await store.find(id))?.userId, 'ada')
  })
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
