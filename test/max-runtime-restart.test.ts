/** The client is killed, and is there again before or after a script has run for as long as it may. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { access, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { clientAt } from './harness/client-at.ts'
import { Hold } from './harness/held.ts'
import { Lab, until } from './harness/lab.ts'
import type { ClientUnderTest } from './harness/lab.ts'
import type { LogLine } from './harness/program.ts'

const message = /^run\.sh was ended by its time limit: it ran for longer than /

const isThere = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )

function again(lab: Lab, { address }: ClientUnderTest): Promise<ClientUnderTest> {
  return clientAt(lab, Number(new URL(address).port))
}

/** How long a script had run when it began to be ended. */
const isOverdue = (id: number) => (line: LogLine) => line['job'] === id && 'ranMs' in line

test('what has passed its limit when the client is back is ended, what has ended keeps its end', async () => {
  await using lab = await Lab.create()
  const { address, program } = await lab.client()
  const { api } = await lab.server({
    services: { limited: [address], free: [address] },
    env: { SERVICE_LIMITED_MAX_RUNTIME: '3s' },
  })
  const away = new Hold(lab, 'away')
  const back = new Hold(lab, 'back')
  const file = (name: string) => join(lab.directory, name)
  const mark = (name: string) => `echo > '${file(name)}'`
  const overdue = await api.upload(`sleep 4; ${mark('passed')}; sleep 1000`, { service: 'limited' })
  // What it leaves behind is no reason to say that it was ended.
  const over = await api.upload(`setsid sleep 1000 & ${away.wait}; ${mark('over')}`, {
    service: 'limited',
  })
  const killed = await api.upload(`${away.wait}; ${mark('killed')}; kill -KILL $$`, {
    service: 'limited',
  })
  const free = await api.upload(back.wait, { service: 'free' })
  await Promise.all([overdue, over, killed, free].map((id) => api.reached(id, 'Running')))
  await program.stop('SIGKILL')
  await until('it has run for longer than it may', () => isThere(file('passed')))
  await away.release()
  await until(
    'others have ended',
    async () => (await isThere(file('over'))) && isThere(file('killed')),
  )
  const payloads = join(lab.directory, 'client', 'payloads')
  for (const id of [over, killed]) {
    const exit = join(payloads, String((await api.job(id)).attempts[0]?.payload), 'exit')
    await until('its end is noted', async () => /exit \d/.test(await readFile(exit, 'latin1')))
  }

  const { program: next } = await again(lab, { address, program })
  const { ranMs } = await next.line(isOverdue(overdue))
  assert.ok(Number(ranMs) >= 4000, `it had run for ${String(ranMs)} ms by its own clock`)
  const job = await api.ended(overdue)
  assert.deepEqual([job.status, job.attempts.length], ['Failed', 1])
  assert.match(job.message, message)
  assert.equal((await api.ended(over)).status, 'Completed')
  const own = await api.ended(killed)
  assert.deepEqual(
    [own.status, own.message],
    ['Failed', 'run.sh was ended by SIGKILL (exit code 137)'],
  )
  await back.release()
  assert.equal((await api.ended(free)).status, 'Completed')
})

test('what has not passed its limit when the client is back is ended when it does', async () => {
  await using lab = await Lab.create()
  const { api, client } = await lab.pair({ env: { SERVICE_EXAMPLE_MAX_RUNTIME: '5s' } })
  const id = await api.upload('sleep 1000')
  await api.reached(id, 'Running')
  await client.program.stop('SIGKILL')
  const { program } = await again(lab, client)
  const { ranMs } = await program.line(isOverdue(id))
  assert.ok(Number(ranMs) >= 5000)
  const job = await api.ended(id)
  assert.deepEqual([job.status, job.attempts.length], ['Failed', 1])
  assert.match(job.message, message)
})

test('a client that is killed while it ends a script says afterwards why that ended', async () => {
  await using lab = await Lab.create()
  const { api, client } = await lab.pair({ env: { SERVICE_EXAMPLE_MAX_RUNTIME: '1s' } })
  const asked = join(lab.directory, 'asked')
  const dead = new Hold(lab)
  const id =
    await api.upload(`trap "echo > '${asked}'; trap - TERM; ${dead.wait}; kill -TERM $$" TERM
    while true; do sleep 1000 & wait; done`)
  await until('it is being ended', () => isThere(asked))
  await client.program.stop('SIGKILL')
  await dead.release()
  const payload = String((await api.job(id)).attempts[0]?.payload)
  const exit = join(lab.directory, 'client', 'payloads', payload, 'exit')
  await until('it has ended', async () => /exit \d/.test(await readFile(exit, 'latin1')))
  await again(lab, client)
  const job = await api.ended(id)
  assert.equal(job.status, 'Failed')
  assert.match(job.message, message)
})

test('in a container with an uptime of its own a limit is one still', async (t) => {
  await using lab = await Lab.create()
  const uptime = join(lab.directory, 'uptime')
  await writeFile(uptime, '1.00 1.00\n')
  const inContainer = [
    'unshare',
    '--mount',
    'bash',
    '-c',
    `mount --bind '${uptime}' /proc/uptime && exec "$@"`,
    'bash',
  ]
  const [command = '', ...args] = inContainer
  try {
    await promisify(execFile)(command, [...args, 'true'])
  } catch (error) {
    t.skip(`/proc/uptime cannot be replaced here: ${String(error).split('\n')[0]}`)
    return
  }
  const { api } = await lab.pair(
    { env: { SERVICE_EXAMPLE_MAX_RUNTIME: '1s' } },
    { through: inContainer },
  )
  const job = await api.run('sleep 1000')
  assert.equal(job.status, 'Failed')
  assert.match(job.message, message)
})
