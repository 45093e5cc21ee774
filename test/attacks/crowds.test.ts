/** One who sends too much at once, and what others have of it. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Lab, until } from '../harness/lab.ts'
import type { ServerUnderTest } from '../harness/lab.ts'
import { jobsOnDisk } from '../harness/left.ts'
import { field, file, formType, multipart, send, uploadRaw } from '../harness/raw.ts'
import type { UploadAnswer } from '../harness/raw.ts'
import { makeToken } from '../harness/tokens.ts'
import { Wire } from '../harness/wire.ts'

const script = file('run.sh', 'true')
const of = (user: string, service = 'example') => [
  field('user_id', user),
  field('service', service),
]

let lab: Lab
let server: ServerUnderTest

before(async () => {
  lab = await Lab.create()
  const nobody = ['http://127.0.0.1:1']
  server = await lab.server({
    services: { example: nobody, other: nobody },
    args: ['--max-uploads', '6', '--max-uploads-per-user', '3'],
    env: { SERVICE_EXAMPLE_MAX_QUEUED_PER_USER: '4' },
  })
})

after(() => lab[Symbol.asyncDispose]())

/** An upload that has begun, and goes on when it is told to. */
async function begin(user: string | undefined, headers: readonly string[] = []): Promise<Wire> {
  const wire = new Wire(server.api.address)
  const all = [...(user === undefined ? [] : of(user, 'other')), script]
  const body = multipart(all).toString().slice(0, -20)
  await wire.write(
    ['POST /upload HTTP/1.1', 'Host: x', `Content-Type: ${formType}`, ...headers]
      .concat('Content-Length: 99999', '', body)
      .join('\r\n'),
  )
  return wire
}

const uploadOf = (user: string) => uploadRaw(server.api.address, [script], of(user, 'other'))

const incoming = async (count: number) =>
  until(`${count} uploads are under way`, async () => {
    return (await jobsOnDisk(lab)).incoming.length === count
  })

function assertLater({ status, headers, body }: UploadAnswer, expected: number, why: RegExp): void {
  assert.equal(status, expected, body.message)
  assert.match(body.message, why)
  assert.ok(Number(headers['retry-after']) > 0)
}

test('one user with stuck uploads keeps out neither others nor, when they end, itself', async () => {
  const stuck = [await begin('ada'), await begin('ada'), await begin('ada')]
  await incoming(3)
  assertLater(await uploadOf('ada'), 429, /3 uploads of this user .*MAX_UPLOADS_PER_USER/)
  assert.equal((await uploadOf('bob')).status, 201)
  stuck[0]?.[Symbol.dispose]()
  await incoming(2)
  assert.equal((await uploadOf('ada')).status, 201)
  for (const wire of stuck) wire[Symbol.dispose]()
  await incoming(0)
})

test('so many stuck uploads of nobody in particular are all that there may be', async () => {
  const stuck: Wire[] = []
  for (let count = 0; count < 6; count++) stuck.push(await begin(undefined))
  await incoming(6)
  assertLater(await uploadOf('bob'), 503, /6 uploads are being received.*MAX_UPLOADS/)
  // All else goes on.
  assert.equal((await send('GET', `${server.api.address}/health`)).status, 200)
  for (const wire of stuck) wire[Symbol.dispose]()
  await incoming(0)
  assert.equal((await uploadOf('bob')).status, 201)
})

test('a user may have so many jobs queued, however many are sent at once', async () => {
  const { address } = server.api
  const sent = await Promise.all(
    // Fields behind the files: nothing is known of them until all is there.
    Array.from({ length: 3 }, () => uploadRaw(address, of('cleo'), [script])).concat(
      Array.from({ length: 3 }, () => uploadRaw(address, [script], of('cleo'))),
    ),
  )
  const statuses = () => sent.map(({ status }) => status)
  // Those that came while too many were being received may come again.
  for (let left = 9; left > 0 && statuses().filter((status) => status === 201).length < 4; left--) {
    sent.push(await uploadRaw(address, [script], of('cleo')))
  }
  sent.push(await uploadRaw(address, [script], of('cleo')))
  assert.equal(statuses().filter((status) => status === 201).length, 4)
  const last = sent.at(-1)
  assert.ok(last)
  assertLater(last, 429, /4 jobs queued in service "example".*SERVICE_EXAMPLE_MAX_QUEUED_PER_USER/)
  assert.deepEqual((await jobsOnDisk(lab)).incoming, [])
  // Another user, and another service, are not held up; nor is who ends one of them.
  assert.equal((await uploadRaw(address, [script], of('dora'))).status, 201)
  assert.equal((await uploadRaw(address, [script], of('cleo', 'other'))).status, 201)
  const id = sent.find(({ status }) => status === 201)?.body.id ?? 0
  assert.equal((await server.api.terminate(id)).status, 200)
  assert.equal((await uploadRaw(address, [script], of('cleo'))).status, 201)
  assert.equal((await uploadRaw(address, [script], of('cleo'))).status, 429)
})

test('who repeats an upload that was taken is told of its job, though no more may be queued', async () => {
  const { address } = server.api
  const upload = (key: string, first = true) => {
    const [one, other] = first ? [[script], of('emma')] : [of('emma'), [script]]
    return uploadRaw(address, one, other, { 'idempotency-key': key })
  }
  const taken = []
  for (const key of ['1', '2', '3', '4']) taken.push(await upload(key))
  assert.deepEqual(
    taken.map(({ status }) => status),
    [201, 201, 201, 201],
  )
  for (const first of [true, false]) {
    assertLater(await upload('5', first), 429, /4 jobs queued/)
    const again = await upload('2', first)
    assert.deepEqual([again.status, again.body.id], [200, taken[1]?.body.id])
  }
})

test('a client receives so many at once, and the next one is told so', async () => {
  const { address } = await lab.client({ args: ['--max-uploads', '2'] })
  const wires = [new Wire(address), new Wire(address)]
  const head = `POST /submit HTTP/1.1\r\nHost: x\r\nContent-Type: ${formType}\r\n`
  for (const wire of wires) await wire.write(`${head}Content-Length: 99\r\n\r\n`)
  const submit = () =>
    send('POST', `${address}/submit`, { 'content-type': formType }, multipart([script]))
  let answer = await submit()
  await until('both are being received', async () => {
    if (answer.status === 503) return true
    answer = await submit()
    return false
  })
  assert.match(answer.body.toString(), /2 uploads are being received/)
  assert.ok(Number(answer.headers['retry-after']) > 0)
  for (const wire of wires) wire[Symbol.dispose]()
  await until('there is room again', async () => (await submit()).status === 200)
})

test('a user’s token is counted from the head on, before it says whose upload it is', async () => {
  const token = await makeToken(lab, 'fay', 'submit', '--user', 'fay')
  const bearer = `Authorization: Bearer ${token}`
  const stuck = []
  for (let count = 0; count < 3; count++) stuck.push(await begin(undefined, [bearer]))
  await incoming(3)
  const headers = { authorization: `Bearer ${token}` }
  const answer = await uploadRaw(server.api.address, [script], of('fay'), headers)
  assertLater(answer, 429, /3 uploads of this user/)
  for (const wire of stuck) wire[Symbol.dispose]()
  await incoming(0)
})
