/** Small results, which a client does not write before it has waited for its server to forget them. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { PayloadReply } from '../src/domain/protocol.ts'
import { form } from './harness/api.ts'
import { clientAt } from './harness/client-at.ts'
import { Lab, until } from './harness/lab.ts'
import type { ClientUnderTest } from './harness/lab.ts'
import { readZip } from './harness/zip.ts'

const key = `0123456789abcdef-${'1'.repeat(32)}`

/** Sends a client a script, from a server that is away since then. Returns the payload's directory. */
async function submit(lab: Lab, client: ClientUnderTest, script: string): Promise<string> {
  const options = { key, jobId: 1, userId: '1', service: 'example', attempt: 1 }
  const body = form(script, { 'job-orchestrator': JSON.stringify(options) })
  const response = await fetch(`${client.address}/submit`, { method: 'POST', body })
  const { id } = (await response.json()) as PayloadReply
  return join(lab.directory, 'client/payloads', String(id))
}

/** The same, and waits for its end. */
async function run(lab: Lab, client: ClientUnderTest, script: string): Promise<string> {
  const directory = await submit(lab, client, script)
  await client.program.line(({ status }) => status === 'Completed')
  return directory
}

async function resultOf({ address }: ClientUnderTest): Promise<Buffer> {
  const response = await fetch(`${address}/result/${key}`)
  assert.equal(response.status, 200)
  return Buffer.from(await response.arrayBuffer())
}

test('a small result that nobody forgets is written, and is the same after a crash', async () => {
  await using lab = await Lab.create()
  const client = await lab.client()
  const directory = await run(lab, client, 'echo small > out')
  const before = await resultOf(client)
  await until('it is written', () => existsSync(join(directory, 'outcome.json')))
  assert.deepEqual(await resultOf(client), before)
  await client.program.stop('SIGKILL')
  const next = await clientAt(lab, 0)
  assert.deepEqual(await resultOf(next), before)
  await fetch(`${next.address}/payloads/${key}`, { method: 'DELETE' })
  assert.ok(!existsSync(directory))
})

test('a client that stops writes its small results before', async () => {
  await using lab = await Lab.create()
  const client = await lab.client()
  const directory = await run(lab, client, 'echo small > out')
  const before = await resultOf(client)
  assert.equal(await client.program.stop(), 0)
  assert.ok(existsSync(join(directory, 'outcome.json')))
  assert.deepEqual(await resultOf(await clientAt(lab, 0)), before)
})

test('a small result that was not written is packed again', async () => {
  await using lab = await Lab.create()
  const env = { JOB_ORCHESTRATOR_UNDER_TEST: '1', JOB_ORCHESTRATOR_CRASH_AT: 'pack: held' }
  const client = await lab.client({ env })
  const directory = await submit(lab, client, 'echo small > out')
  await client.program.exit()
  assert.ok(!existsSync(join(directory, 'outcome.json')))
  const next = await clientAt(lab, 0)
  await next.program.line(({ status }) => status === 'Completed')
  const files = await readZip(await resultOf(next))
  assert.equal(files.get('out')?.content.toString(), 'small\n')
})

test('a small result is served and removed while it is in memory alone', async () => {
  await using lab = await Lab.create()
  const client = await lab.client()
  const directory = await run(lab, client, 'echo small > out')
  const files = await readZip(await resultOf(client))
  assert.equal(files.get('out')?.content.toString(), 'small\n')
  const forgotten = await fetch(`${client.address}/payloads/${key}`, { method: 'DELETE' })
  assert.equal(forgotten.status, 204)
  assert.ok(!existsSync(directory))
  assert.equal((await fetch(`${client.address}/result/${key}`)).status, 404)
  assert.equal(await client.program.stop(), 0)
  const { lines } = client.program
  assert.deepEqual(
    lines.filter(({ level }) => Number(level) >= 40),
    [],
  )
})
