/** The small process beside a client that starts the scripts: what becomes of them without it. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { clientAt } from './harness/client-at.ts'
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
