/** Attacks on the client's door: a signed submission whose body is not the one that was signed. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { request as begin } from 'node:http'
import { join } from 'node:path'
import { before, after, test } from 'node:test'
import { Lab, until } from '../harness/lab.ts'
import type { ClientUnderTest } from '../harness/lab.ts'
import { formType, multipart } from '../harness/raw.ts'
import type { RawPart } from '../harness/raw.ts'
import { Recorder } from '../harness/recorder.ts'
import { SigningServer } from '../harness/signed.ts'
import type { Request, SignedFile } from '../harness/signed.ts'

const secret = randomBytes(32).toString('hex')
const serverId = '0123456789abcdef'
const files: readonly SignedFile[] = [
  ['run.sh', 'cat a.txt b.txt'],
  ['a.txt', 'the one'],
  ['sub/b.txt', 'the other'],
]

let lab: Lab
let client: ClientUnderTest
let server: SigningServer

before(async () => {
  lab = await Lab.create()
  client = await lab.client({ env: { CLUSTER_SECRET: secret } })
  server = await new SigningServer(client.address, secret).meet()
})
after(() => lab[Symbol.asyncDispose]())

let jobs = 0
const optionsOf = (job: number) => ({
  key: `${serverId}-${job.toString(16).padStart(32, '0')}`,
  jobId: job,
  userId: '1',
  service: 'example',
  attempt: 1,
})

/** Nothing is there of it, and the same as it should be is taken. */
async function isRefused(alter: (parts: RawPart[]) => readonly RawPart[]): Promise<string> {
  const options = optionsOf(++jobs)
  const answer = await server.send(server.submit(options, files, alter))
  assert.equal(answer.status, 401, answer.body.toString())
  await isNowhere()
  const right = await server.send(server.submit(options, files))
  assert.equal(right.status, 200, right.body.toString())
  return (JSON.parse(answer.body.toString()) as { message: string }).message
}

async function isNowhere(): Promise<void> {
  const payloads = join(lab.directory, 'client', 'payloads')
  await until('nothing is left of it', async () => {
    return (await readdir(join(payloads, 'incoming'))).length === 0
  })
  const taken = client.program.lines.filter((line) => line['status'] === 'Prepared')
  const ids = (await readdir(payloads)).filter((name) => /^\d+$/.test(name))
  assert.deepEqual(new Set(ids), new Set(taken.map((line) => String(line['payload']))))
}

/** The file parts are 1 to 3, between the options and the seal. */
const changed = (at: number, part: RawPart) => (parts: RawPart[]) => parts.with(at, part)
/** What may become of the parts. */
const reordered = ([options, run, a, b, seal]: RawPart[]) => [options, run, b, a, seal] as RawPart[]
const mixed = ([options, run, a, b, seal]: RawPart[]) =>
  [options, run, [a?.[0], b?.[1]], [b?.[0], a?.[1]], seal] as RawPart[]
const moved = ([options, run, , , seal]: RawPart[]) =>
  [
    options,
    run,
    ['name="file"; filename="a.txt"', 'the onethe'],
    ['name="file"; filename="sub/b.txt"', ' other'],
    seal,
  ] as RawPart[]
const late = ([options, run, ...rest]: RawPart[]) => [run, options, ...rest] as RawPart[]
const twice = ([options, ...rest]: RawPart[]) => [options, options, ...rest] as RawPart[]

const wrongFiles = /its files are not those that were signed/
const wrongOptions = /its options are not those that were signed/

test('attack: the content of a file is altered', async () => {
  const alter = changed(1, ['name="file"; filename="run.sh"', 'cat b.txt a.txt'])
  assert.match(await isRefused(alter), wrongFiles)
})

test('attack: a file is renamed, or its part is', async () => {
  const renamed = changed(2, ['name="file"; filename="c.txt"', 'the one'])
  assert.match(await isRefused(renamed), wrongFiles)
  const part = changed(2, ['name="sub/a.txt"; filename="a.txt"', 'the one'])
  assert.match(await isRefused(part), /the part of a file is not named "file"/)
})

test('attack: the files come in another order, or have each other’s content', async () => {
  assert.match(await isRefused(reordered), wrongFiles)
  assert.match(await isRefused(mixed), wrongFiles)
})

test('attack: a file is added, before the seal or behind it', async () => {
  const file: RawPart = ['name="file"; filename="more.txt"', 'x']
  assert.match(await isRefused((parts) => parts.toSpliced(4, 0, file)), wrongFiles)
  const behind = await isRefused((parts) => [...parts, file])
  assert.match(behind, /a part comes after the signature of its files/)
})

test('attack: a file is sent twice', async () => {
  // The same path twice is no payload anyway; a twin elsewhere would be.
  const twin: RawPart = ['name="file"; filename="twin.txt"', 'the one']
  assert.match(await isRefused((parts) => parts.toSpliced(2, 0, twin)), wrongFiles)
})

test('attack: a file is dropped, or all are, or the seal', async () => {
  assert.match(await isRefused((parts) => parts.toSpliced(3, 1)), wrongFiles)
  assert.match(await isRefused((parts) => parts.toSpliced(1, 3)), wrongFiles)
  assert.match(await isRefused((parts) => parts.slice(0, -1)), /signature of its files is missing/)
})

test('attack: the end of a file goes to the beginning of the next', async () => {
  assert.match(await isRefused(moved), wrongFiles)
})

test('attack: the options are altered, left out, sent late, or twice', async () => {
  const text = JSON.stringify({ ...optionsOf(jobs + 1), userId: '2' })
  const otherUser = changed(0, ['name="job-orchestrator"', text])
  assert.match(await isRefused(otherUser), wrongOptions)
  assert.match(await isRefused((parts) => parts.slice(1)), wrongOptions)
  assert.match(await isRefused(late), wrongOptions)
  assert.match(await isRefused(twice), wrongFiles)
  const more: RawPart = ['name="other"', 'x']
  assert.match(await isRefused((parts) => parts.toSpliced(1, 0, more)), wrongFiles)
})

test('attack: the seal of another submission of the same files', async () => {
  const options = optionsOf(++jobs)
  let seal: RawPart | undefined
  server.submit(options, files, (parts) => {
    seal = parts.at(-1)
    return parts
  })
  assert.ok(seal)
  assert.match(await isRefused(changed(4, seal)), wrongFiles)
  for (const wrong of ['', '0'.repeat(64), 'zz'.repeat(32)]) {
    assert.match(await isRefused(changed(4, [seal[0], wrong])), wrongFiles)
  }
})

test('attack: the head of one submission with the whole body of another', async () => {
  const [one, other] = [
    server.submit(optionsOf(++jobs), files),
    server.submit(optionsOf(++jobs), [['run.sh', 'true']]),
  ]
  const answer = await server.send(one, { body: other.body })
  assert.equal(answer.status, 401)
  assert.match(answer.body.toString(), wrongOptions)
  await isNowhere()
})

test('attack: the body is cut, at every part', async () => {
  for (let at = 0; at < files.length + 2; at++) {
    // Cut, and ended as a body ends: it is a body without some of the parts.
    const request = server.submit(optionsOf(++jobs), files)
    const body = Buffer.concat([upTo(at, request), Buffer.from('\r\n--the-boundary--\r\n')])
    if (at <= files.length) {
      const ended = await server.send(request, { body })
      assert.equal(ended.status, 401, ended.body.toString())
    } else assert.deepEqual(body, request.body)
    // Cut, and the connection with it.
    await cutOff(server.submit(optionsOf(++jobs), files), at)
    await isNowhere()
  }
})

/** The beginning of a body, to the end of a part. */
function upTo(part: number, { body = Buffer.alloc(0) }: Request): Buffer {
  const boundaries = [...body.toString('latin1').matchAll(/\r\n--the-boundary/g)]
  assert.equal(boundaries.length, files.length + 2)
  return body.subarray(0, boundaries[part]?.index)
}

/** Promises a whole body, sends the beginning of it, and is gone. */
async function cutOff(request: Request, part: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const outgoing = begin(`${client.address}/submit`, {
    method: 'POST',
    headers: { ...request.headers, 'content-length': String(request.body?.byteLength) },
    agent: false,
  })
  outgoing.on('error', () => {})
  outgoing.on('response', (response) => response.resume())
  outgoing.on('close', () => resolve())
  outgoing.write(upTo(part, request), () => outgoing.destroy())
  await promise
}

test('attack: an unsigned submission, as a server of 2.2.3 sends it', async () => {
  const body = multipart([['name="run.sh"; filename="run.sh"', 'true']])
  const request = { method: 'POST', path: '/submit', headers: { 'content-type': formType }, body }
  const answer = await server.send(request)
  assert.equal(answer.status, 401)
  const { authorization = '' } = server.request('POST', '/submit').headers
  const signed = await server.send({ ...request, headers: { ...request.headers, authorization } })
  assert.equal(signed.status, 401)
  assert.match(signed.body.toString(), wrongOptions)
  await isNowhere()
})

test('attack: somebody in between alters a file of the same length, as long as he can', async () => {
  await using own = await Lab.create()
  const env = { CLUSTER_SECRET: secret }
  const node = await own.client({ env })
  await using between = await Recorder.create(node.address)
  const { api, program } = await own.server({ services: { example: [between.address] }, env })
  between.alter = (body) => Buffer.from(body.toString('latin1').replace('said', 'SAID'), 'latin1')
  const id = await api.upload('echo said')
  const why = /the client answered 401: its files are not those that were signed/
  await program.line((line) => line['job'] === id && why.test(line.msg))
  await node.program.line((line) => line['kind'] === 'body')
  between.alter = (body) => body
  assert.equal((await api.ended(id)).status, 'Completed')
  const result = await api.files(id)
  assert.equal(result.get('.orchestrator/stdout.log')?.content.toString(), 'said\n')
  const started = node.program.lines.filter((line) => line['status'] === 'Running')
  assert.equal(started.length, 1)
})

test('what was refused is told once, and the right ones have run', async () => {
  const told = client.program.lines.filter((line) => line['kind'] === 'body')
  assert.equal(told.length, 1)
  const done = () => client.program.lines.filter((line) => line['status'] === 'Failed').length
  const taken = client.program.lines.filter((line) => line['status'] === 'Prepared').length
  assert.ok(taken > 10)
  // There is no b.txt at the top.
  await until('all have run', () => done() === taken)
})
