/** What earlier processes left in the directories of a server, and what they did not finish. */
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { ensureCommand } from './harness/debian.ts'
import { Lab, until } from './harness/lab.ts'
import { jobsOnDisk } from './harness/left.ts'
import { openServerStore } from './harness/seed.ts'
import { meddle } from './harness/strace.ts'

const nobody = { example: ['http://127.0.0.1:9'] }

/** Files of an upload, where they are told to be. */
async function makeInput(lab: Lab, path: string): Promise<void> {
  const input = join(lab.directory, 'server', 'jobs', path, 'input')
  await mkdir(input, { recursive: true })
  await writeFile(join(input, 'run.sh'), 'true')
}

test('at the start directories go that no job needs, and all others stay', async () => {
  await using lab = await Lab.create()
  {
    // A crash skips ids that were reserved; what was uploaded under them was never committed.
    await using store = await openServerStore(lab)
    for (const id of [2, 4, 6])
      await store.insert({ id, userId: '1', service: 'example', isFlat: true }, 1)
    for (const id of [4, 6]) await store.learn(id, { is: 'terminate requested' }, 2)
    await store.learn(4, { is: 'aged', maxAgeMs: 1 }, 9)
  }
  for (const id of [1, 2, 3, 4, 5, 6, 7, 8]) await makeInput(lab, String(id))
  await makeInput(lab, 'incoming/half')
  await makeInput(lab, '007')
  await makeInput(lab, '99999999999999999999')
  const { program, api } = await lab.server({ services: nobody })
  const { incoming, jobs } = await jobsOnDisk(lab)
  assert.deepEqual(incoming, [])
  assert.deepEqual(jobs.toSorted(), ['007', '2', '6', '99999999999999999999'])
  await program.line(({ msg }) => msg === 'removed 6 directories that no job needs')
  await program.line(({ msg }) => msg === 'removed 1 unfinished uploads')
  assert.equal((await api.job(4)).status, 'Cleaned')
  assert.deepEqual([...(await api.files(2, 'download_partial')).keys()], ['run.sh'])
  assert.equal(await api.upload('true'), 7)
})

for (const [call, path] of [
  ['rmdir', 'jobs/1'],
  ['unlink', 'jobs/1/input/run.sh'],
  ['rmdir', 'jobs/1/input'],
] as const) {
  test(`a removal that was cut short at ${call} ${path} is finished at the next start`, async (t) => {
    const missing = await ensureCommand('strace')
    if (missing !== undefined) return t.skip(missing)
    await using lab = await Lab.create()
    const { api, program, client } = await lab.pair({ env: { MAX_AGE: '1' } })
    const trouble = await meddle(
      program,
      'signal=SIGKILL',
      call,
      join(lab.directory, 'server', path),
    )
    if (trouble !== undefined) return t.skip(`a process cannot be traced here: ${trouble}`)
    assert.equal(await api.upload('echo result > out'), 1)
    await until('it is killed', () => program.child.signalCode === 'SIGKILL')
    assert.deepEqual((await jobsOnDisk(lab)).jobs, ['1'])
    {
      await using store = await openServerStore(lab)
      assert.equal((await store.find(1))?.status, 'Cleaned')
    }
    const again = await lab.server({ services: { example: [client.address] } })
    assert.deepEqual((await jobsOnDisk(lab)).jobs, [])
    assert.equal((await again.api.job(1)).status, 'Cleaned')
    assert.equal((await again.api.run('true')).status, 'Completed')
    return undefined
  })
}
