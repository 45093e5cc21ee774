/** The small process beside a client that starts the scripts: what becomes of them without it. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { rmdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { Cgroups } from '../src/executors/bounds/cgroups.ts'
import type { CgroupPaths } from '../src/executors/bounds/cgroups.ts'
import { lacksCgroups } from './harness/cgroups.ts'
import { clientAt } from './harness/client-at.ts'
import { readStat, ageMs } from '../src/executors/processes.ts'
import { Hold } from './harness/held.ts'
import { Lab, until } from './harness/lab.ts'
import type { ClientUnderTest } from './harness/lab.ts'

/** Process id of a client's spawner, once there is one that is not the given one. */
async function spawnerOf({ program }: ClientUnderTest, other = 0): Promise<number> {
  let pid = 0
  await until('there is a spawner', async () => {
    const children = await readFile(`/proc/${program.pid}/task/${program.pid}/children`, 'latin1')
    pid =
      children
        .trim()
        .split(' ')
        .map(Number)
        .find((child) => child !== other) ?? 0
    return pid !== 0
  })
  return pid
}

const isThere = (pid: number) =>
  readFile(`/proc/${pid}/stat`, 'latin1').then(
    (stat) => !stat.includes(') Z '),
    () => false,
  )

test('a client without its spawner follows its scripts, ends them, and starts others', async () => {
  await using lab = await Lab.create()
  const { api, client } = await lab.pair()
  const hold = new Hold(lab)
  const [goesOn, isEnded] = [
    await api.upload(`${hold.wait}; echo done > out.txt`),
    await api.upload('sleep 1000'),
  ]
  for (const id of [goesOn, isEnded]) await api.reached(id, 'Running')
  const spawner = await spawnerOf(client)
  process.kill(spawner, 'SIGKILL')
  await client.program.line(({ msg }) => msg.startsWith('the spawner has ended: 2 scripts'))
  assert.equal((await api.terminate(isEnded)).body.status, 'Killed')
  const next = await api.run('echo next > out.txt')
  assert.equal(next.status, 'Completed')
  await hold.release()
  assert.equal((await api.ended(goesOn)).status, 'Completed')
  assert.equal((await api.files(goesOn)).get('out.txt')?.content.toString(), 'done\n')
  for (const id of [goesOn, isEnded, next.id]) assert.equal((await api.job(id)).attempts.length, 1)
})

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`a spawner ends with its client, by ${signal}; what it started goes on`, async () => {
    await using lab = await Lab.create()
    const { api, client } = await lab.pair()
    const hold = new Hold(lab)
    const id = await api.upload(hold.wait)
    await api.reached(id, 'Running')
    const spawner = await spawnerOf(client)
    // What a terminal sends to all that runs on it is for the client alone.
    process.kill(spawner, 'SIGINT')
    assert.equal((await api.run('true')).status, 'Completed')
    await client.program.stop(signal)
    await until('the spawner has ended', async () => !(await isThere(spawner)))
    await clientAt(lab, Number(new URL(client.address).port))
    await hold.release()
    assert.equal((await api.ended(id)).status, 'Completed')
    assert.equal((await api.job(id)).attempts.length, 1)
  })
}

/** Process ids of what a process has started, and has not ended. */
async function childrenOf(pid: number): Promise<number[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'latin1')
  return children.trim().split(' ').filter(Boolean).map(Number)
}

/** The supervising shell that waits for a script, when there is one and no script runs. */
async function shellAhead(client: ClientUnderTest): Promise<number> {
  const spawner = await spawnerOf(client)
  let shells: number[] = []
  await until('a shell is there ahead', async () => {
    shells = await childrenOf(spawner)
    return shells.length === 1 && (await isThere(shells[0] ?? 0))
  })
  return shells[0] ?? 0
}

test('a shell is started ahead of its script, and another one takes the place of a dead one', async () => {
  await using lab = await Lab.create()
  const { api, client } = await lab.pair()
  await api.run('true')
  const ahead = await shellAhead(client)
  const hold = new Hold(lab)
  const id = await api.upload(`echo $PPID > out.txt; ${hold.wait}`)
  await api.reached(id, 'Running')
  await hold.release()
  assert.equal((await api.ended(id)).status, 'Completed')
  assert.equal((await api.files(id)).get('out.txt')?.content.toString(), `${ahead}\n`)
  // Stopped, it can be given a script, and then be killed before it has begun.
  const next = await shellAhead(client)
  process.kill(next, 'SIGSTOP')
  const other = await api.upload('echo $ATTEMPT > out.txt')
  await api.reached(other, 'Running')
  process.kill(next, 'SIGKILL')
  assert.equal((await api.ended(other)).status, 'Completed')
  assert.equal((await api.files(other)).get('out.txt')?.content.toString(), '1\n')
  // One that dies while it waits is no loss.
  process.kill(await shellAhead(client), 'SIGKILL')
  assert.equal((await api.run('true')).status, 'Completed')
})

test("a time limit counts from the script's start, not from that of its shell", async () => {
  await using lab = await Lab.create()
  const { api, client } = await lab.pair()
  await api.run('true')
  const ahead = await shellAhead(client)
  await until('it is older than the limit', () => {
    const stat = readStat(ahead)
    return stat !== undefined && ageMs(stat) > 3_000
  })
  const id = await api.upload('echo $PPID > out.txt; sleep 0.5', { fields: { max_runtime: '3s' } })
  const job = await api.ended(id)
  assert.equal(job.status, 'Completed', job.message)
  assert.equal((await api.files(id)).get('out.txt')?.content.toString(), `${ahead}\n`)
})

/** How many files a process may open; those that are open stay so. */
async function allowFiles(pid: number, most: string): Promise<void> {
  await promisify(execFile)('prlimit', ['--pid', String(pid), `--nofile=${most}:`])
}

test('where nothing is left to start a script with, it is started when there is', async () => {
  await using lab = await Lab.create()
  const { api, client } = await lab.pair()
  await api.run('true')
  const spawner = await spawnerOf(client)
  await allowFiles(spawner, '3')
  const id = await api.upload('echo $ATTEMPT > out.txt')
  const isEnded = await api.upload('true')
  const again = /^payload \d+: run\.sh could not be started: EMFILE.*; it is tried again$/
  const areTriedAgain = () => client.program.lines.filter(({ msg }) => again.test(msg)).length === 2
  await until('both are tried again', areTriedAgain)
  assert.equal((await api.terminate(isEnded)).body.status, 'Killed')
  await allowFiles(spawner, '1000')
  assert.equal((await api.ended(id)).status, 'Completed')
  assert.equal((await api.files(id)).get('out.txt')?.content.toString(), '1\n')
  assert.equal((await api.ended(isEnded)).status, 'Killed')
})

test('a script that cannot be put into its cgroups is not started', async (t) => {
  const missing = lacksCgroups('processes')
  if (missing !== false) return t.skip(missing)
  await using lab = await Lab.create()
  const { api, client } = await lab.pair()
  await api.run('true')
  const ahead = await shellAhead(client)
  process.kill(ahead, 'SIGSTOP')
  const id = await api.upload('echo $ATTEMPT > out.txt', { fields: { max_processes: '50' } })
  await api.reached(id, 'Running')
  const [attempt] = (await api.job(id)).attempts
  const payload = join(lab.directory, 'client/payloads', String(attempt?.payload))
  const { cgroups } = JSON.parse(await readFile(join(payload, 'bounds.json'), 'utf8')) as {
    cgroups: CgroupPaths
  }
  for (const directory of new Cgroups(cgroups).directories) rmdirSync(directory)
  process.kill(ahead, 'SIGCONT')
  assert.equal((await api.ended(id)).status, 'Completed')
  assert.equal((await api.files(id)).get('out.txt')?.content.toString(), '2\n')
  const { history } = await api.job(id)
  const lost = 'run.sh could not be started: it could not be put into its cgroups'
  assert.ok(
    history.some(({ reason }) => reason.includes(lost)),
    JSON.stringify(history),
  )
  return undefined
})
