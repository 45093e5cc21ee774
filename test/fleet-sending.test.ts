/** Sending to several clients: none that hangs, is slow or dead delays another. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JobDetails } from '../src/domain/protocol.ts'
import type { Api } from './harness/api.ts'
import { Lab, until } from './harness/lab.ts'
import type { ServerUnderTest } from './harness/lab.ts'
import { Network } from './harness/network.ts'
import { Outage } from './harness/outage.ts'
import { freePort } from './harness/port.ts'
import type { LogLine } from './harness/program.ts'
import { StandIn, taking } from './harness/stand-in.ts'

const env = { SERVICE_EXAMPLE_MAX_RUNS: '10', SERVICE_EXAMPLE_RUNS_PER_USER: '10' }
/** Of ten jobs at once a client among four that does not answer gets its share, and no more. */
const mostAtHanging = 3

const jobsOf = (api: Api, ids: readonly number[]) => Promise.all(ids.map((id) => api.job(id)))
const clientOf = ({ attempts }: JobDetails) => attempts.at(-1)?.client
const countOf = ({ program }: ServerUnderTest, status: string) =>
  program.lines.filter(({ to }) => to === status).length

const isAway = ({ msg }: LogLine) => msg.includes('is not reachable')
const isBack = ({ msg }: LogLine) => msg.endsWith('is reachable')

test('jobs flow past clients that hang, are slow or are dead', async () => {
  await using lab = await Lab.create()
  await using hanging = await StandIn.create(() => {}) // never answers
  const [good, behind] = await Promise.all([
    lab.client({ name: 'good', args: ['--slots', '1'] }),
    lab.client({ name: 'slow', args: ['--slots', '1'] }),
  ])
  await using slow = await Network.to(behind.address, 700)
  const dead = `http://127.0.0.1:${await freePort()}`
  const addresses = [hanging.address, dead, slow.address, good.address]
  const server = await lab.server({ services: { example: addresses }, env })
  const { api, program } = server
  await until('both are there', async () => {
    const clients = (await api.health()).services[0]?.clients ?? []
    return clients.filter(({ reachable }) => reachable).length === 3
  })
  const many = Array.from({ length: 20 + mostAtHanging }, () => api.upload('true'))
  const ids = await Promise.all(many)
  await program.line(() => countOf(server, 'Completed') >= 20)
  const isAtHanging = (job: JobDetails) => clientOf(job) === `${hanging.address}/submit`
  const jobs = await jobsOf(api, ids)
  const stuck = jobs.filter(isAtHanging)
  assert.ok(stuck.length > 0 && stuck.length <= mostAtHanging, `${stuck.length} are stuck`)
  for (const { status } of stuck) assert.equal(status, 'Processing')
  const others = jobs.filter((job) => !isAtHanging(job))
  for (const { status, attempts } of others) {
    assert.deepEqual([status, attempts.length], ['Completed', 1])
  }
  assert.ok(others.some((job) => clientOf(job) === `${slow.address}/submit`))
  const tried = program.lines.filter(({ client }) => client === `${dead}/submit`)
  assert.equal(tried.length, 1, 'of the dead one it is said once that it is')

  // It is known by now: with somebody else free it gets nothing.
  const late = await api.run('true')
  assert.notEqual(clientOf(late), `${hanging.address}/submit`)
})

test('jobs are sent to several clients at the same time', async () => {
  await using lab = await Lab.create()
  const waiting: (() => void)[] = []
  // Each answers when both have been sent a job.
  const create = () =>
    StandIn.create((body, response) => {
      waiting.push(() => taking()(body, response))
      if (waiting.length === 2) for (const answer of waiting) answer()
    })
  await using one = await create()
  await using other = await create()
  const { api } = await lab.server({ services: { example: [one.address, other.address] } })
  const ids = await Promise.all([api.upload('true'), api.upload('true')])
  await Promise.all(ids.map((id) => api.reached(id, 'Submitted')))
  const clients = (await jobsOf(api, ids)).map(clientOf)
  assert.equal(new Set(clients).size, 2)
})

test('a client that is busy taking large jobs, steadily, is sent small ones meanwhile', async () => {
  await using lab = await Lab.create()
  await using client = await StandIn.create(taking(), { paceMs: 20 })
  const { api, program } = await lab.server({ services: { example: [client.address] }, env })
  const large = { 'run.sh': 'true', data: new Uint8Array(16 * 2 ** 20) }
  const slow = await Promise.all(Array.from({ length: 4 }, () => api.upload(large)))
  await Promise.all(slow.map((id) => api.reached(id, 'Processing')))
  const small = await api.upload('true')
  await api.reached(small, 'Submitted')
  assert.equal(program.lines.filter(({ to }) => to === 'Submitted').length, 1)
  await Promise.all(slow.map((id) => api.reached(id, 'Submitted')))
})

test('results that a client does not give keep nobody from those of another', async () => {
  await using lab = await Lab.create()
  const keys: string[] = []
  await using hanging = await StandIn.create(
    taking((body) => keys.push(/"key":"([\da-f-]+)"/.exec(body)?.[1] ?? '')),
  )
  const good = await lab.client()
  const { api } = await lab.server({
    services: { hangs: [hanging.address], example: [good.address] },
    env: { SERVICE_HANGS_MAX_RUNS: '20', SERVICE_HANGS_RUNS_PER_USER: '20' },
  })
  const many = Array.from({ length: 12 }, () => api.upload('true', { service: 'hangs' }))
  const ids = await Promise.all(many)
  await Promise.all(ids.map((id) => api.reached(id, 'Submitted')))
  for (const [index, key] of keys.entries()) hanging.tellEnd(key, index + 1)
  await until('some are asked for', () => hanging.resultsAsked >= 8)
  const { status } = await api.run('true')
  assert.equal(status, 'Completed')
  assert.ok((await jobsOf(api, ids)).every((job) => job.status === 'Submitted'))
})

test('what hung when a client was cut off goes on as soon as it is back', async () => {
  await using lab = await Lab.create()
  const client = await lab.client()
  await using outage = await Outage.to(client.address)
  const { api, program } = await lab.server({ services: { example: [outage.address] } })
  const first = await api.run('true') // leaves a connection that the next job is sent on
  assert.equal(first.status, 'Completed')
  outage.begin()
  const sent = await api.upload('true')
  await program.line(isAway)
  outage.end()
  await until('it is back', () => program.lines.filter(isBack).length === 2)
  // Where it hung it would have done so for a minute.
  assert.equal((await api.ended(sent, 10_000)).status, 'Completed')

  const cut = outage.beginAfter(2 ** 20)
  const fetched = await api.upload('head -c 4000000 /dev/urandom > data')
  await cut
  await until('it is noticed', () => program.lines.filter(isAway).length === 2)
  outage.end()
  const { status, attempts } = await api.ended(fetched, 15_000)
  assert.deepEqual([status, attempts.length], ['Completed', 1])
})
