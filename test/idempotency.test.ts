/** An upload that is sent again under its Idempotency-Key is one job, whatever became of the first. */
import assert from 'node:assert/strict'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { crashVariable, underTestVariable } from '../src/crash-points.ts'
import type { Api } from './harness/api.ts'
import { Hold } from './harness/held.ts'
import { Lab, until } from './harness/lab.ts'
import { jobsOnDisk } from './harness/left.ts'
import { field, file, formType, multipart, send, uploadRaw } from './harness/raw.ts'
import type { RawPart, UploadAnswer } from './harness/raw.ts'
import { SlowUpload } from './harness/slow-upload.ts'

const user = field('user_id', '1')
const service = field('service', 'example')
const script = file('run.sh', 'cat in/a.txt')
const input = file('in/a.txt', 'abc')
const usual = [user, service, script, input]
const key = 'b9b1e9f4-7f4c-4e0d-8a52-1d8a3f2b7c11'

/** Sends parts in just this order, under a key. */
const sendParts = ({ address }: Api, parts: readonly RawPart[], under = key) =>
  uploadRaw(address, parts, [], { 'idempotency-key': under })

/** Sends them until it is not told that the same is under way. */
async function sendUntilTaken(api: Api, parts: readonly RawPart[]): Promise<UploadAnswer> {
  let answer: UploadAnswer | undefined
  await until('the key is free', async () => {
    answer = await sendParts(api, parts)
    return answer.status !== 409
  })
  assert.ok(answer)
  return answer
}

/** A server without any client: its jobs stay queued. */
async function serverAlone(lab: Lab, env: Record<string, string> = {}) {
  const nowhere = ['http://127.0.0.1:1']
  return lab.server({ services: { example: nowhere, other: nowhere }, env })
}

/** An upload that is being received under the key, with its user known. */
async function begin(lab: Lab, api: Api): Promise<SlowUpload> {
  const slow = new SlowUpload(`${api.address}/upload`, 'true', { 'idempotency-key': key })
  await until('it is coming in', async () => (await jobsOnDisk(lab)).incoming.length === 1)
  return slow
}

void suite('uploads under an Idempotency-Key', { concurrency: 4 }, () => {
  test('the same upload under the same key is the same job, and says how that is now', async () => {
    await using lab = await Lab.create()
    const { api } = await lab.pair()
    const hold = new Hold(lab)
    const parts = [user, service, file('run.sh', `${hold.wait}; exit 3`), input]
    const first = await sendParts(api, parts)
    assert.deepEqual([first.status, first.body.message], [201, 'job queued'])
    const { id } = first.body
    await api.reached(id, 'Running')
    const running = await sendParts(api, parts)
    assert.deepEqual([running.status, running.body], [200, { id, status: 'Running', message: '' }])
    await hold.release()
    await api.ended(id)
    const failed = await sendParts(api, parts)
    const message = 'run.sh ended with exit code 3'
    assert.deepEqual([failed.status, failed.body], [200, { id, status: 'Failed', message }])

    const done = await sendParts(api, usual, 'done')
    await api.ended(done.body.id)
    assert.equal((await sendParts(api, usual, 'done')).body.status, 'Completed')
    assert.deepEqual(await jobsOnDisk(lab), { incoming: [], jobs: ['1', '2'] })
  })

  test('a job that was terminated keeps its key', async () => {
    await using lab = await Lab.create()
    const { api } = await serverAlone(lab)
    const { id } = (await sendParts(api, usual)).body
    const queued = await sendParts(api, usual)
    assert.deepEqual([queued.status, queued.body.id, queued.body.status], [200, id, 'Queued'])
    assert.match(queued.body.message, /no client of service "example" can be reached/)
    await api.terminate(id)
    const killed = await sendParts(api, usual)
    assert.deepEqual([killed.status, killed.body.id, killed.body.status], [200, id, 'Killed'])
  })

  test('the order of parts, and other words for the same, are no difference', async () => {
    await using lab = await Lab.create()
    const { api } = await serverAlone(lab)
    const asked = [field('max_runtime', '60'), field('max_attempts', '1')]
    assert.equal((await sendParts(api, [...usual, ...asked])).status, 201)
    const same = [
      [...usual, ...asked],
      [...asked, ...usual].toReversed(),
      [script, user, service, input, field('max_runtime', '1min')],
      [script, input, field('note', 'means nothing'), field('service', 'EXAMPLE'), asked[0], user],
      [user, service, file('./run.sh', 'cat in/a.txt'), file('in//a.txt', 'abc'), asked[0]],
    ]
    for (const parts of same) {
      const { status, body } = await sendParts(
        api,
        parts.filter((part) => part !== undefined),
      )
      assert.deepEqual([status, body.id], [200, 1], body.message)
    }
    assert.deepEqual(await jobsOnDisk(lab), { incoming: [], jobs: ['1'] })
  })

  test('other content under the same key is 422, and what is wrong in itself 400', async () => {
    await using lab = await Lab.create()
    const { api } = await serverAlone(lab)
    assert.equal((await sendParts(api, usual)).status, 201)
    const others: readonly (readonly RawPart[])[] = [
      [service, script, file('in/a.txt', 'abd')],
      [service, script, file('in/b.txt', 'abc')],
      [service, script, input, file('more.txt')],
      [service, script],
      [service, input],
      [service],
      [field('service', 'other'), script, input],
      [field('service', 'nosuch'), script, input],
      [service, script, input, field('max_attempts', '2')],
      [service, script, input, field('max_runtime', '1h')],
    ]
    for (const parts of others) {
      const { status, body } = await sendParts(api, [user, ...parts])
      assert.deepEqual([status, body.id, body.status], [422, 0, 'Unknown'], body.message)
      assert.match(body.message, /job 1 came under the Idempotency-Key "b9b1.*" with other fields/)
    }
    const last = await sendParts(api, [service, script, user])
    assert.equal(last.status, 422, 'also when it is found out at the end')
    const wrong = await sendParts(api, [...usual, field('max_attempts', 'x')])
    assert.deepEqual([wrong.status, /"max_attempts" must be/.test(wrong.body.message)], [400, true])
    const escaping = await sendParts(api, [user, service, script, file('../x')])
    assert.equal(escaping.status, 400)
    assert.deepEqual(await jobsOnDisk(lab), { incoming: [], jobs: ['1'] })
  })

  test('a key is its user’s own', async () => {
    await using lab = await Lab.create()
    const { api } = await serverAlone(lab)
    const other = [field('user_id', '2'), service, script, input]
    assert.equal((await sendParts(api, usual)).body.id, 1)
    const { status, body } = await sendParts(api, other)
    assert.deepEqual([status, body.id], [201, 2])
    assert.equal((await sendParts(api, other)).body.id, 2)
    assert.equal((await sendParts(api, usual, key.toUpperCase())).body.id, 3, 'case matters')
    assert.equal(await api.upload({ 'run.sh': 'cat in/a.txt', 'in/a.txt': 'abc' }), 4, 'no key')
  })

  test('a key that cannot be one is 400', async () => {
    await using lab = await Lab.create()
    const { api } = await serverAlone(lab)
    for (const wrong of ['', 'a b', 'é', 'x'.repeat(256)]) {
      const { status, body } = await sendParts(api, usual, wrong)
      assert.equal(status, 400, wrong)
      assert.match(body.message, /Idempotency-Key must be 1 to 255 visible ASCII/)
    }
    const twice = { 'content-type': formType, 'idempotency-key': ['a', 'b'] as unknown as string }
    assert.equal((await send('POST', `${api.address}/upload`, twice, multipart(usual))).status, 400)
    assert.deepEqual(await jobsOnDisk(lab), { incoming: [], jobs: [] })
    assert.equal((await sendParts(api, usual, 'x'.repeat(255))).status, 201)
  })

  test('while an upload is received, the same one is to come again later', async () => {
    await using lab = await Lab.create()
    const { api } = await serverAlone(lab)
    const parts = [user, service, file('run.sh', 'true')]
    const slow = await begin(lab, api)
    for (const sent of [parts, parts.toReversed(), usual]) {
      const { status, headers, body } = await sendParts(api, sent)
      assert.deepEqual([status, headers['retry-after']], [409, '1'])
      assert.match(body.message, /is being received/)
    }
    assert.equal((await sendParts(api, parts, 'another')).status, 201)
    assert.equal((await slow.finish()).status, 201)
    const again = await sendParts(api, parts)
    assert.deepEqual([again.status, again.body.id], [200, 2])
    assert.deepEqual(await jobsOnDisk(lab), { incoming: [], jobs: ['1', '2'] })
  })

  test('of uploads at the same moment one makes the job, wherever their user stands', async () => {
    await using lab = await Lab.create()
    const { api } = await serverAlone(lab)
    for (const [index, parts] of [usual, usual.toReversed()].entries()) {
      const answers = await Promise.all(
        Array.from({ length: 8 }, () => sendParts(api, parts, `at-once-${index}`)),
      )
      const made = answers.filter(({ status }) => status === 201)
      assert.equal(made.length, 1)
      for (const { status, headers, body } of answers) {
        if (status === 409) assert.equal(headers['retry-after'], '1')
        else assert.equal(body.id, index + 1, `${status}: ${body.message}`)
      }
    }
    assert.deepEqual(await jobsOnDisk(lab), { incoming: [], jobs: ['1', '2'] })
  })

  test('an upload that failed frees its key', async () => {
    await using lab = await Lab.create()
    const { api } = await serverAlone(lab)
    const slow = await begin(lab, api)
    slow.breakOff()
    await until('nothing is left', async () => (await jobsOnDisk(lab)).incoming.length === 0)
    const noScript = await sendUntilTaken(api, [user, service, input])
    assert.equal(noScript.status, 400)
    assert.equal((await sendParts(api, [user, service, script, file('../x')])).status, 400)
    const { status, body } = await sendParts(api, usual)
    assert.deepEqual([status, body.id], [201, 1])
  })

  test('what is sent again under a key that is taken is not stored', async () => {
    await using lab = await Lab.create()
    const { api } = await serverAlone(lab)
    const parts = [user, service, script, file('large', Buffer.alloc(5_000_000))]
    assert.equal((await sendParts(api, parts)).status, 201)
    // Where an upload would be stored, there is nothing to store it in.
    const incoming = join(lab.directory, 'server/jobs/incoming')
    await rename(incoming, `${incoming}.away`)
    await writeFile(incoming, '')
    assert.equal((await sendParts(api, parts, 'new')).status, 500, 'it would be stored there')
    const { status, body } = await sendParts(api, parts)
    assert.deepEqual([status, body.id], [200, 1], body.message)
    assert.equal((await sendParts(api, usual)).status, 422)
  })

  test('a server that died between commit and answer knows the job by its key', async () => {
    await using lab = await Lab.create()
    const { program, api } = await serverAlone(lab, {
      [crashVariable]: 'upload: committed',
      [underTestVariable]: '1',
    })
    await assert.rejects(sendParts(api, usual))
    assert.equal(await program.exit(), 'SIGKILL')
    const next = await serverAlone(lab)
    const { status, body } = await sendParts(next.api, usual)
    assert.deepEqual([status, body.id, body.status], [200, 1, 'Queued'])
    assert.equal((await sendParts(next.api, usual, 'another')).status, 201)
    assert.deepEqual(await jobsOnDisk(lab), { incoming: [], jobs: ['1', '2'] })
  })

  test('a key is free again when its job is Cleaned', async () => {
    await using lab = await Lab.create()
    const { api } = await serverAlone(lab, { MAX_AGE: '1' })
    await sendParts(api, usual)
    await api.terminate(1)
    await api.reached(1, 'Cleaned')
    const { status, body } = await sendParts(api, usual)
    assert.deepEqual([status, body.id], [201, 2])
    assert.equal((await sendParts(api, usual)).body.id, 2)
  })
})
