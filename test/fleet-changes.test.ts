/** Clients that come and go, hang, or drain: noticed within seconds, said once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JobDetails } from '../src/domain/protocol.ts'
import { clientAt } from './harness/client-at.ts'
import type { Api } from './harness/api.ts'
import { Hold } from './harness/held.ts'
import { Lab, until } from './harness/lab.ts'
import { freePort } from './harness/port.ts'
import type { LogLine, Program } from './harness/program.ts'

/** Seconds: a client that hangs is silent for six before it counts as away. */
const noticedWithinMs = 10_000

const clientOf = ({ attempts }: JobDetails) => attempts.at(-1)?.client
const clientsOf = async (api: Api) => (await api.health()).services[0]?.clients ?? []

/** What a server says of one client. */
class News {
  readonly #program: Program
  readonly #url: string

  constructor(program: Program, address: string) {
    this.#program = program
    this.#url = `${address}/submit`
  }

  count(what: string): number {
    return this.#all(what).length
  }

  /** Resolves when it has been said so often. */
  async times(what: string, count: number): Promise<void> {
    await this.#program.line(() => this.count(what) >= count, noticedWithinMs)
  }

  #all(what: string): LogLine[] {
    const begin = `client ${this.#url} ${what}`
    return this.#program.lines.filter(({ msg }) => msg.startsWith(begin))
  }
}

test('a client that comes and goes is noticed each time, and said so once', async () => {
  await using lab = await Lab.create()
  const port = await freePort()
  const args = ['--slots', '1']
  const steady = await lab.client({ name: 'steady', args })
  let fickle = await clientAt(lab, port, { name: 'fickle', args })
  const { api, program } = await lab.server({
    services: { example: [fickle.address, steady.address] },
  })
  const news = new News(program, fickle.address)
  await news.times('is reachable', 1)
  for (let round = 1; round <= 3; round++) {
    await fickle.program.stop(round === 2 ? 'SIGKILL' : 'SIGTERM')
    await news.times('is not reachable', round)
    assert.equal(clientOf(await api.run('true')), `${steady.address}/submit`)
    fickle = await clientAt(lab, port, { name: 'fickle', args })
    await news.times('is reachable', round + 1)
  }
  const hold = new Hold(lab)
  const ids = await Promise.all([1, 2].map(() => api.upload(hold.wait)))
  await Promise.all(ids.map((id) => api.reached(id, 'Running')))
  await hold.release()
  await Promise.all(ids.map((id) => api.ended(id)))
  assert.equal(news.count('is not reachable'), 3, program.said)
  assert.equal(news.count('is reachable'), 4, program.said)
  assert.equal(new News(program, steady.address).count(''), 1, program.said)
})

test('a client that hangs is noticed within seconds, keeps its job, and goes on with it', async () => {
  await using lab = await Lab.create()
  const [frozen, steady] = await Promise.all([
    lab.client({ name: 'frozen', args: ['--slots', '1'] }),
    lab.client({ name: 'steady', args: ['--slots', '1'] }),
  ])
  const { api, program } = await lab.server({
    services: { example: [frozen.address, steady.address] },
  })
  const news = new News(program, frozen.address)
  await news.times('is reachable', 1)
  const hold = new Hold(lab)
  const ids = await Promise.all([1, 2].map(() => api.upload(hold.wait)))
  await Promise.all(ids.map((id) => api.reached(id, 'Running')))
  const held = (await Promise.all(ids.map((id) => api.job(id)))).find(
    (job) => clientOf(job) === `${frozen.address}/submit`,
  )
  assert.ok(held, 'each has one')
  frozen.program.child.kill('SIGSTOP')
  await news.times('is not reachable', 1)
  assert.match((await api.job(held.id)).message, /its client cannot be reached/)
  await hold.release()
  const others = await Promise.all(Array.from({ length: 3 }, () => api.run('true')))
  for (const job of others) assert.equal(clientOf(job), `${steady.address}/submit`)

  frozen.program.child.kill('SIGCONT')
  await news.times('is reachable', 2)
  const { status, attempts } = await api.ended(held.id, noticedWithinMs)
  assert.deepEqual([status, attempts.length], ['Completed', 1])
  assert.equal(news.count('is not reachable'), 1, program.said)
  assert.equal(news.count('is reachable'), 2, program.said)
})

test('the server shows which clients drain, and sends them nothing', async () => {
  await using lab = await Lab.create()
  const clients = await Promise.all([lab.client({ name: 'one' }), lab.client({ name: 'other' })])
  const [one, other] = clients
  const { api, program } = await lab.server({
    services: { example: clients.map(({ address }) => address) },
  })
  await until('both are there', async () => {
    return (await clientsOf(api)).every(({ reachable }) => reachable)
  })
  const draining = async () => (await clientsOf(api)).map((client) => client.draining)
  const news = new News(program, one.address)
  assert.deepEqual(await draining(), [false, false])

  const hold = new Hold(lab)
  const before = await Promise.all([1, 2].map(() => api.upload(hold.wait)))
  await Promise.all(before.map((id) => api.reached(id, 'Running')))
  await drain(one.address, 'POST')
  await news.times('is draining', 1)
  assert.deepEqual(await draining(), [true, false])
  const jobs = await Promise.all([1, 2, 3].map(() => api.run('true')))
  // The other one is not even tried: it would refuse.
  const places = jobs.map(({ attempts }) => attempts.map(({ client }) => client))
  assert.deepEqual(
    places,
    [1, 2, 3].map(() => [`${other.address}/submit`]),
  )

  await drain(other.address, 'POST')
  await new News(program, other.address).times('is draining', 1)
  await hold.release()
  await Promise.all(before.map((id) => api.ended(id)))
  const waiting = await api.upload('true')
  assert.equal(
    (await api.job(waiting)).message,
    'all clients of service "example" that can be reached are draining',
  )
  assert.equal((await api.job(waiting)).status, 'Queued')

  await drain(one.address, 'DELETE')
  assert.equal(clientOf(await api.ended(waiting)), `${one.address}/submit`)
  assert.deepEqual(await draining(), [false, true])
  assert.deepEqual(
    [news.count('is draining'), news.count('takes jobs again'), news.count('')],
    [1, 1, 3],
    program.said,
  )
})

async function drain(address: string, method: 'POST' | 'DELETE'): Promise<void> {
  assert.equal((await fetch(`${address}/drain`, { method })).status, 200)
}
