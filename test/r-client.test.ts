/** Our server drives a client of version 2.2.3. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { Lab, until } from './harness/lab.ts'
import { RClient, trap } from './harness/r-client.ts'
import { StandIn } from './harness/stand-in.ts'

test('a job runs at a 2.2.3 client, and its result is that of the script alone', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const { api, program } = await lab.server({ services: { example: [client.address] } })
  const job = await api.run({ 'run.sh': `${trap}cat 'ä b.txt' > out`, 'ä b.txt': 'hello\n' })
  assert.equal(job.status, 'Completed', job.message)
  const files = await api.files(job.id)
  assert.deepEqual(
    [...files.keys()].toSorted(),
    ['.orchestrator.exit', 'out', 'run.sh', 'ä b.txt'].toSorted(),
  )
  assert.equal(files.get('out')?.content.toString(), 'hello\n')
  assert.deepEqual(
    job.history.map(({ to }) => to),
    ['Queued', 'Processing', 'Submitted', 'Running', 'Completed'],
  )
  const { services } = await api.health()
  assert.equal(services[0]?.clients[0]?.older, true)
  const told = program.lines.filter(({ msg }) => / is reachable/.test(msg))
  assert.equal(told.length, 1, program.said)
})

test('of an answer with the whole upload in it no more is read than the id', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const { api, program } = await lab.server({ services: { example: [client.address] } })
  const small = await api.run(`${trap}true`)
  assert.equal(small.status, 'Completed')
  const before = await peakMemoryBytes(program.pid)
  const sizeBytes = 30_000_000
  client.answeredBytes = 0
  const job = await api.run({ 'run.sh': `${trap}rm big`, big: new Uint8Array(sizeBytes).fill(200) })
  assert.equal(job.status, 'Completed', job.message)
  assert.equal(client.submissions[1]?.get('big')?.length, sizeBytes)
  // What the kernel holds between the two can be some megabytes.
  assert.ok(client.answeredBytes < sizeBytes / 2, `${client.answeredBytes} bytes could be written`)
  const grownBytes = (await peakMemoryBytes(program.pid)) - before
  assert.ok(grownBytes < 2 * sizeBytes, `the server grew by ${grownBytes} bytes`)
})

test('names that need care arrive as they are', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const { api } = await lab.server({ services: { example: [client.address] } })
  const names = ['c;d', 'e;f=g', 'h%22i', "j'k", 'ü€.txt', 'n?o#p', '.hidden', '$x']
  const job = await api.run({
    'run.sh': `${trap}true`,
    ...Object.fromEntries(names.map((name) => [name, name])),
  })
  assert.equal(job.status, 'Completed', job.message)
  const files = await api.files(job.id)
  assert.deepEqual(
    names.filter((name) => files.get(name)?.content.toString() !== name),
    [],
  )
})

test('what answers everything with 404 is no client, is told of once, and gets nothing', async () => {
  await using lab = await Lab.create()
  await using nobody = await StandIn.create((_body, response) => response.writeHead(404).end(), {
    hasEvents: false,
  })
  const { api, program } = await lab.server({ services: { example: [nobody.address] } })
  // With directories: nobody knows yet that it is a 2.2.3 client, for it is none.
  const id = await api.upload({ 'run.sh': 'true', 'data/in': '' })
  await until('it was asked some times', () => nobody.requests.length >= 8)
  const told = program.lines.filter((line) => line['level'] === 40)
  assert.equal(told.length, 1, program.said)
  assert.match(String(told[0]?.msg), /is not that of a client/)
  assert.deepEqual(
    nobody.requests.filter((request) => !/ \/(load|events)/.test(request)),
    [],
  )
  const { body } = await api.get(`/download/${id}`)
  assert.equal(body.status, 'Queued')
  assert.match(body.message, /is not that of a client/)
})

async function peakMemoryBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
}
