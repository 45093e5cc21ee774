/** A configuration that has changed: clients and services that are in it no more. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import type { Api } from './harness/api.ts'
import { Hold } from './harness/held.ts'
import { Lab, until } from './harness/lab.ts'
import { StandIn, taking } from './harness/stand-in.ts'

const namesOf = async (api: Api) =>
  Object.fromEntries((await api.health()).services.map((one) => [one.name, one.configured]))

test('jobs at a client that is no longer configured finish there, and then it is left alone', async () => {
  await using lab = await Lab.create()
  const [old, next] = await Promise.all([
    lab.client({ name: 'old' }),
    lab.client({ name: 'next', args: ['--slots', '1'] }),
  ])
  const hold = new Hold(lab)
  const before = await lab.server({ services: { example: [old.address] } })
  const finishing = await before.api.upload(`${hold.wait}; echo done > out`)
  const killed = await before.api.upload('sleep 600')
  await Promise.all([finishing, killed].map((id) => before.api.reached(id, 'Running')))
  assert.deepEqual((await before.api.health()).unconfiguredClients, [])
  await before.program.stop()

  const { api, program } = await lab.server({ services: { example: [next.address] } })
  const leftOver = async () => (await api.health()).unconfiguredClients
  await until('it is called', async () => (await leftOver())[0]?.reachable === true)
  const [seen] = await leftOver()
  assert.deepEqual([seen?.url, seen?.active], [`${old.address}/submit`, 2])
  const fresh = await Promise.all([1, 2].map(() => api.run('true')))
  for (const { attempts } of fresh) assert.equal(attempts[0]?.client, `${next.address}/submit`)

  const { status, body } = await api.terminate(killed)
  assert.deepEqual([status, body.status], [200, 'Killed'])
  assert.equal((await leftOver()).length, 1, 'it has one more')
  await hold.release()
  const job = await api.ended(finishing)
  assert.deepEqual([job.status, job.attempts.length], ['Completed', 1])
  assert.equal((await api.files(finishing)).get('out')?.content.toString(), 'done\n')
  assert.deepEqual(await leftOver(), [])
  const port = Number(new URL(old.address).port)
  await until('no connection is left', async () => !(await isConnected(program.pid, port)))
  await until('nothing is kept there', async () => {
    const { unfetched } = (await (await fetch(`${old.address}/health`)).json()) as {
      unfetched: number
    }
    return unfetched === 0
  })
  assert.equal(await old.program.stop(), 0)
  assert.equal((await api.run('true')).status, 'Completed')
  assert.ok(
    !program.lines.some(({ msg }) => msg.includes(`${old.address}/submit is not reachable`)),
  )
})

test('a client that is not configured is called while it has a job, even if it does not answer', async () => {
  await using lab = await Lab.create()
  await using client = await StandIn.create(taking())
  await using next = await StandIn.create(taking())
  const before = await lab.server({ services: { example: [client.address] } })
  const id = await before.api.upload('true')
  await before.api.reached(id, 'Submitted')
  await before.program.stop()
  const { api } = await lab.server({ services: { example: [next.address] } })
  // It has lost the job, says its snapshot: the job goes to the next one, and nobody calls it.
  await until('the next one has it', async () => {
    const { status, attempts } = await api.job(id)
    return status === 'Submitted' && attempts.at(-1)?.client === `${next.address}/submit`
  })
  assert.deepEqual((await api.health()).unconfiguredClients, [])
  await until('nobody listens to it', () => client.streams === 0)
})

test('jobs of a service that was removed wait, are told of, and run when it is back', async () => {
  await using lab = await Lab.create()
  const client = await lab.client()
  const hold = new Hold(lab)
  const [kept, removed] = [[client.address], [client.address]]
  const env = { SERVICE_GONE_MAX_RUNS: '1' }
  const before = await lab.server({ services: { kept, gone: removed }, env })
  const running = await before.api.upload(hold.wait, { service: 'gone' })
  await before.api.reached(running, 'Running')
  const waiting = await Promise.all(
    [1, 2].map(() => before.api.upload('true', { service: 'gone' })),
  )
  await before.program.stop()

  const without = await lab.server({ services: { kept } })
  const warned = await without.program.line(
    ({ level, service }) => level === 40 && service === 'gone',
  )
  assert.equal(
    warned.msg,
    'service gone is not configured any more, and has jobs: 2 queued, which wait until it is ' +
      'again, and 1 at clients, which go on',
  )
  assert.deepEqual(await namesOf(without.api), { kept: true, gone: false })
  const sight = (await without.api.health()).services.find(({ name }) => name === 'gone')
  assert.deepEqual([sight?.queued, sight?.active, sight?.clients], [2, 1, []])
  await hold.release()
  assert.equal((await without.api.ended(running)).status, 'Completed')
  for (const id of waiting) {
    const { status, message } = (await without.api.get(`/download/${id}`)).body
    assert.deepEqual([status, message], ['Queued', 'service "gone" is not configured any more'])
  }
  const refused = await without.api.post('/upload')
  assert.equal(refused.status, 415)
  assert.equal((await without.api.run('true', { service: 'kept' })).status, 'Completed')
  await without.program.stop()

  const after = await lab.server({ services: { kept, gone: removed }, env })
  for (const id of waiting) assert.equal((await after.api.ended(id)).status, 'Completed')
  assert.deepEqual(await namesOf(after.api), { kept: true, gone: true })
  assert.ok(!after.program.lines.some(({ level }) => level === 40), after.program.said)
})

/** Whether a process has a TCP connection to a port, as /proc says. */
async function isConnected(pid: number, port: number): Promise<boolean> {
  const table = await readFile(`/proc/${pid}/net/tcp`, 'latin1')
  const remote = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return table.split('\n').some((line) => {
    const [, , to, state] = line.trim().split(/ +/)
    return to?.endsWith(remote) === true && state === '01'
  })
}
