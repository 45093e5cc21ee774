/** Payloads without a key, as a server of 2.2.3 sends them to our client. */
import assert from 'node:assert/strict'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { PayloadReply } from '../src/domain/protocol.ts'
import { form } from './harness/api.ts'
import type { Files } from './harness/api.ts'
import { Gate } from './harness/gate.ts'
import { Hold } from './harness/held.ts'
import { Lab, until } from './harness/lab.ts'
import type { ClientUnderTest } from './harness/lab.ts'
import { isGone } from './harness/processes.ts'
import { readZip } from './harness/zip.ts'

async function submit({ address }: ClientUnderTest, files: Files | string): Promise<PayloadReply> {
  const response = await fetch(`${address}/submit`, { method: 'POST', body: form(files, {}) })
  const payload = (await response.json()) as PayloadReply
  assert.equal(response.status, 200, payload.message)
  return payload
}

async function retrieve({ address }: ClientUnderTest, id: number): Promise<PayloadReply> {
  return (await (await fetch(`${address}/retrieve/${id}`)).json()) as PayloadReply
}

async function zipOf({ address }: ClientUnderTest, path: string) {
  const response = await fetch(`${address}/${path}`)
  assert.equal(response.headers.get('content-type'), 'application/zip')
  return readZip(Buffer.from(await response.arrayBuffer()))
}

async function kill({ address }: ClientUnderTest, id: number): Promise<void> {
  const response = await fetch(`${address}/kill/${id}`, { method: 'POST' })
  assert.equal(response.status, 200)
  assert.equal(await response.text(), '')
}

const became = ({ program }: ClientUnderTest, id: number, status: string) =>
  program.line((line) => line['payload'] === id && line['status'] === status)

test('a payload without a key runs, and is retrieved as a ZIP', async () => {
  await using lab = await Lab.create()
  const client = await lab.client()
  const { id, input, status, loc, pid, killed } = await submit(client, {
    'run.sh': 'tr a-z A-Z < in.txt > out.txt',
    'in.txt': 'abc',
  })
  assert.deepEqual(input, {})
  assert.ok(['Prepared', 'Running'].includes(status))
  assert.deepEqual([typeof loc, typeof pid, killed], ['string', 'number', false])
  await became(client, id, 'Completed')
  for (const path of [`retrieve/${id}`, `retrieve/${id}`, `retrieve_partial/${id}`]) {
    assert.equal((await zipOf(client, path)).get('out.txt')?.content.toString(), 'ABC')
  }
})

test('a payload without run.sh is Invalid, and says so in JSON', async () => {
  await using lab = await Lab.create()
  const client = await lab.client()
  const { id } = await submit(client, { 'input.txt': 'x' })
  await became(client, id, 'Invalid')
  const payload = await retrieve(client, id)
  assert.equal(payload.status, 'Invalid')
  assert.match(payload.message, /no run\.sh/)
  assert.ok((await zipOf(client, `retrieve_partial/${id}`)).has('input.txt'))
})

test('a payload that failed says so in JSON, and its files are in the partial result', async () => {
  await using lab = await Lab.create()
  const client = await lab.client()
  const { id } = await submit(client, 'echo x > out.txt; exit 7')
  await became(client, id, 'Failed')
  assert.match((await retrieve(client, id)).message, /exit code 7$/)
  assert.ok((await zipOf(client, `retrieve_partial/${id}`)).has('out.txt'))
})

test('a running payload can be looked into and killed by its id', async () => {
  await using lab = await Lab.create()
  const client = await lab.client()
  await using gate = await Gate.create(lab.directory)
  const { id } = await submit(client, `echo $$ > pid.txt; ${gate.wait}; echo x > never.txt`)
  const pidNow = async () =>
    (await zipOf(client, `retrieve_partial/${id}`)).get('pid.txt')?.content.toString() ?? ''
  await until('the script has begun', async () => (await pidNow()).endsWith('\n'))
  const pid = Number(await pidNow())
  assert.equal((await retrieve(client, id)).status, 'Running')
  await kill(client, id)
  await became(client, id, 'Killed')
  assert.ok(await isGone(pid))
  const payload = await retrieve(client, id)
  assert.deepEqual([payload.status, payload.killed], ['Killed', true])
  await kill(client, id)
  assert.equal((await retrieve(client, id)).status, 'Killed', 'killing it again changes nothing')
})

test('a payload that is killed before it starts never starts', async () => {
  await using lab = await Lab.create()
  const client = await lab.client({ args: ['--slots', '1'] })
  const hold = new Hold(lab)
  const mark = join(lab.directory, 'started')
  const first = await submit(client, hold.wait)
  await became(client, first.id, 'Running')
  const second = await submit(client, `touch '${mark}'`)
  const third = await submit(client, 'true')
  assert.equal((await retrieve(client, second.id)).status, 'Prepared', 'accepted without a slot')
  await kill(client, second.id)
  await became(client, second.id, 'Killed')
  assert.equal((await retrieve(client, second.id)).status, 'Killed')
  await hold.release()
  await became(client, first.id, 'Completed')
  await became(client, third.id, 'Completed')
  await assert.rejects(access(mark))
})

test('a payload that is not there is 404, and a malformed id is 400', async () => {
  await using lab = await Lab.create()
  const { address } = await lab.client()
  for (const [method, path] of [
    ['GET', 'retrieve'],
    ['GET', 'retrieve_partial'],
    ['POST', 'kill'],
  ] as const) {
    assert.equal((await fetch(`${address}/${path}/1`, { method })).status, 404)
    for (const id of ['0', '-1', 'x', '1.5']) {
      assert.equal(
        (await fetch(`${address}/${path}/${id}`, { method })).status,
        400,
        `${path} ${id}`,
      )
    }
  }
})
