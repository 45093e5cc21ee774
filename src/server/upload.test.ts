import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fullAccess } from '../domain/access.ts'
import { Fault } from '../domain/errors.ts'
import type { Part } from '../domain/part.ts'
import { UploadSlots } from '../domain/upload-slots.ts'
import { FreeSpace } from '../files/free-space.ts'
import { JobFiles } from '../files/job-files.ts'
import { openJobStore } from '../store/sqlite/jobs.ts'
import type { Clients } from './clients.ts'
import { upload } from './upload.ts'
import { UploadsUnderWay } from './uploads-under-way.ts'

/** Parts of an upload that ends when `others` do, its user and its key being known by then. */
async function* parts(script: string, others: () => Promise<void>): AsyncGenerator<Part> {
  async function* content() {
    yield Buffer.from(script)
  }
  yield { kind: 'file', field: 'file', filename: 'run.sh', content: content() }
  yield { kind: 'field', name: 'service', value: 'example' }
  yield { kind: 'field', name: 'user_id', value: 'ada' }
  await others()
}

/** Resolves for all who wait when there are so many. */
function meeting(count: number): () => Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  let left = count
  return () => {
    if (--left === 0) resolve()
    return promise
  }
}

test('of uploads that come all the way to the store under one key, it takes one', async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
  context.after(() => rm(directory, { recursive: true }))
  const files = new JobFiles(directory)
  await files.prepare()
  using space = new FreeSpace([], 0, () => {})
  await using store = openJobStore(':memory:', { maxAttempts: 3 })
  const clients = { areAllOlder: () => false, ofService: () => [] } as unknown as Clients
  // Each knows nothing of the others, as if the server had been started anew between them.
  const sendBoth = (key: string, scripts: readonly string[]) => {
    const others = meeting(scripts.length)
    const sent = scripts.map((script) => {
      const services = new Set(['example'])
      const underWay = new UploadsUnderWay()
      const most = { uploads: new UploadSlots(9), maxUploadFiles: 9, mostQueued: new Map() }
      const limits = new Map()
      const all = { store, files, space, services, limits, clients, underWay, ...most }
      return upload(all, parts(script, others), fullAccess, key)
    })
    return Promise.allSettled(sent)
  }
  const same = await sendBoth('same', ['true', 'true'])
  const taken = same.map((one) => (one.status === 'fulfilled' ? one.value : undefined))
  assert.equal(taken.filter((one) => one?.isNew === true).length, 1)
  assert.equal(taken.filter((one) => one?.isNew === false).length, 1)
  assert.equal(taken[0]?.job.id, taken[1]?.job.id)

  const different = await sendBoth('different', ['true', 'false'])
  const winner = different.find((one) => one.status === 'fulfilled')
  const loser = different.find((one) => one.status === 'rejected')
  assert.ok(winner?.value.isNew)
  assert.ok(loser?.reason instanceof Fault && loser.reason.code === 'mismatch')
  assert.match(loser.reason.message, new RegExp(`job ${winner.value.job.id} came under`))

  const ids = [taken[0]?.job.id, winner.value.job.id].map(String)
  const left = (await readdir(join(directory, 'jobs'))).toSorted()
  assert.deepEqual(left, [...ids, 'incoming'])
  assert.deepEqual(await readdir(join(directory, 'jobs', 'incoming')), [])
})
