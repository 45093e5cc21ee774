/** Services and their clients: who runs what, who is there, and how many scripts at once. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { form } from './harness/api.ts'
import type { Api } from './harness/api.ts'
import { clientAt } from './harness/client-at.ts'
import { Hold } from './harness/held.ts'
import { Lab, until } from './harness/lab.ts'
import { freePort } from './harness/port.ts'
import type { LogLine } from './harness/program.ts'

/** What `/health` says of a service. */
async function service(api: Api, name: string) {
  const found = (await api.health()).services.find((one) => one.name === name)
  assert.ok(found, `/health tells of ${name}`)
  return found
}

const isAway = ({ msg }: LogLine) => msg.includes('is not reachable:') && msg.startsWith('client ')
const isBack = ({ msg }: LogLine) => msg.startsWith('client ') && msg.endsWith(' is reachable')

test('each job runs on a client of its own service', async () => {
  await using lab = await Lab.create()
  const [dock, fold] = await Promise.all([
    lab.client({ name: 'dock', env: { WHERE: 'dock node' }, args: ['--pass-env', 'WHERE'] }),
    lab.client({ name: 'fold', env: { WHERE: 'fold node' }, args: ['--pass-env', 'WHERE'] }),
  ])
  const services = { my_dock: [dock.address], fold: [fold.address] }
  const { api } = await lab.server({ services })
  const sent = ['my_dock', 'FOLD', 'fold', 'My_Dock'].map(async (name) => {
    const job = await api.run('echo "$SERVICE $WHERE" > ran', { service: name })
    const ran = (await api.files(job.id)).get('ran')?.content.toString()
    return { job, ran, isDock: /dock/i.test(name) }
  })
  for (const { job, ran, isDock } of await Promise.all(sent)) {
    assert.equal(job.service, isDock ? 'my_dock' : 'fold')
    assert.equal(ran, isDock ? 'my_dock dock node\n' : 'fold fold node\n')
    const { address } = isDock ? dock : fold
    assert.deepEqual(
      job.attempts.map(({ client }) => client),
      [`${address}/submit`],
    )
  }
})

test('a job waits for a client that comes later, and is run when it comes', async () => {
  await using lab = await Lab.create()
  const port = await freePort()
  const { api, program } = await lab.server({ services: { example: [`http://127.0.0.1:${port}`] } })
  assert.ok(program.lines.some(isAway), program.said)
  const id = await api.upload('true')
  const before = await service(api, 'example')
  assert.deepEqual(before.clients, [
    {
      url: `http://127.0.0.1:${port}/submit`,
      reachable: false,
      trouble: `connect ECONNREFUSED 127.0.0.1:${port}`,
      older: null,
      draining: false,
      lowSpace: false,
      noSandbox: false,
      isolation: null,
      load: null,
      slots: null,
      active: 0,
    },
  ])
  assert.deepEqual([before.queued, before.active], [1, 0])
  assert.equal((await api.job(id)).status, 'Queued')

  await clientAt(lab, port)
  const job = await api.ended(id)
  assert.equal(job.status, 'Completed')
  assert.equal(job.attempts.length, 1, 'it was not tried in vain')
})

test('a client that goes away is noticed, said once, and welcome again', async () => {
  await using lab = await Lab.create()
  const port = await freePort()
  const first = await clientAt(lab, port)
  const { api, program } = await lab.server({ services: { example: [first.address] } })
  assert.equal((await service(api, 'example')).clients[0]?.reachable, true)
  for (const round of [1, 2]) {
    const present = round === 1 ? first : await clientAt(lab, port)
    await until('it is back', () => program.lines.filter(isBack).length === round)
    assert.equal((await service(api, 'example')).clients[0]?.reachable, true)
    assert.equal(
      await present.program.stop(round === 1 ? 'SIGTERM' : 'SIGKILL'),
      round === 1 ? 0 : 'SIGKILL',
    )
    await until('it is noticed', () => program.lines.filter(isAway).length >= round)
    assert.equal((await service(api, 'example')).clients[0]?.reachable, false)
  }
  const id = await api.upload('true')
  await clientAt(lab, port)
  await api.reached(id, 'Completed')
  assert.equal(program.lines.filter(isAway).length, 2, program.said)
  assert.equal(program.lines.filter(isBack).length, 3, program.said)
})

test('/health counts what waits and what is active, and tells of each client', async () => {
  await using lab = await Lab.create()
  const hold = new Hold(lab)
  const { api, client } = await lab.pair(
    { env: { SERVICE_EXAMPLE_MAX_RUNS: '2' } },
    { args: ['--slots', '3'] },
  )
  const ids = []
  for (const user of ['1', '2', '3', '4', '5']) ids.push(await api.upload(hold.wait, { user }))
  await Promise.all(ids.slice(0, 2).map((id) => api.reached(id, 'Running')))
  const busy = await service(api, 'example')
  assert.deepEqual([busy.queued, busy.active], [3, 2])
  const third = Date.parse((await api.job(ids[2] ?? 0)).createdAt)
  const oldest = busy.oldestQueuedSeconds ?? -1
  assert.ok(oldest > 0 && oldest <= (Date.now() - third) / 1000, String(oldest))
  const { load, ...rest } = busy.clients[0] ?? assert.fail('the client is told of')
  const url = `${client.address}/submit`
  const sight = {
    url,
    reachable: true,
    trouble: null,
    older: false,
    draining: false,
    lowSpace: false,
    noSandbox: false,
    isolation: 'none',
    slots: 3,
    active: 2,
  }
  assert.deepEqual(rest, sight)
  assert.ok(load !== null && load >= 0 && load <= 100, String(load))

  await hold.release()
  await Promise.all(ids.map((id) => api.ended(id)))
  await until('the client has told that it is free', async () => {
    return (await service(api, 'example')).clients[0]?.active === 0
  })
  const { clients: _clients, ...idle } = await service(api, 'example')
  assert.deepEqual(idle, {
    name: 'example',
    configured: true,
    queued: 0,
    active: 0,
    oldestQueuedSeconds: null,
  })
})

test('a client with one slot never runs two scripts at once, whoever sent them', async () => {
  await using lab = await Lab.create()
  const { api, client } = await lab.pair(
    { env: { SERVICE_EXAMPLE_RUNS_PER_USER: '10' } },
    { args: ['--slots', '1'] },
  )
  const record = join(lab.directory, 'record')
  const script = (id: string) => `echo "${id} begins" >> ${record}
    sleep 0.02
    echo "${id} ends" >> ${record}`
  const names = Array.from({ length: 10 }, (_, index) => `job${index}`)
  const direct = Array.from({ length: 5 }, (_, index) => `direct${index}`)
  const sent = names.map((name, index) => api.run(script(name), { user: String(index % 3) }))
  const submitted = direct.map(async (name) => {
    const body = form(script(name), {})
    const response = await fetch(`${client.address}/submit`, { method: 'POST', body })
    assert.equal(response.status, 200)
    await response.arrayBuffer()
  })
  await Promise.all(submitted)
  for (const { status } of await Promise.all(sent)) assert.equal(status, 'Completed')
  const all = names.length + direct.length
  const lines = async () => (await readFile(record, 'utf8').catch(() => '')).trim().split('\n')
  await until('every script has ended', async () => (await lines()).length === 2 * all)
  const said = await lines()
  const begun = said.filter((_, index) => index % 2 === 0)
  assert.deepEqual(
    said,
    begun.flatMap((line) => [line, line.replace('begins', 'ends')]),
  )
  assert.equal(new Set(said).size, 2 * all)
})
