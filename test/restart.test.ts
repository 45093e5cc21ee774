/** The server stopped and started in the middle. */
import assert from 'node:assert/strict'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { mayBecome } from '../src/domain/job.ts'
import type { JobDetails } from '../src/domain/protocol.ts'
import { Hold } from './harness/held.ts'
import { Lab, until } from './harness/lab.ts'

const walk = ['Queued', 'Processing', 'Submitted', 'Running', 'Completed']

/** Each step is a legal one, from where the one before it led, and not before it. */
function assertLegal({ id, history, status }: JobDetails): void {
  assert.equal(history[0]?.from, null)
  for (const [index, { from, to, at }] of history.entries()) {
    const before = history[index - 1]
    if (!before) continue
    assert.equal(from, before.to, `job ${id}`)
    assert.ok(from === to || mayBecome(before.to as 'Queued', to as 'Queued'), `job ${id}: ${to}`)
    assert.ok(at >= before.at, `job ${id}`)
  }
  assert.equal(history.at(-1)?.to, status)
}

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`jobs go on where they were after a server was ended by ${signal}`, async () => {
    await using lab = await Lab.create()
    const env = { SERVICE_EXAMPLE_MAX_RUNS: '3', SERVICE_EXAMPLE_RUNS_PER_USER: '3' }
    const first = await lab.pair({ env })
    const services = { example: [first.client.address] }
    const away = new Hold(lab, 'away')
    const back = new Hold(lab, 'back')
    const done = await first.api.run('echo 0 > result')
    const held = [
      await first.api.upload(`${away.wait}; echo 1 > result`),
      await first.api.upload(`${back.wait}; echo 2 > result`),
      await first.api.upload(`${back.wait}; echo 3 > result`),
    ]
    const queued = [
      await first.api.upload('echo 4 > result'),
      await first.api.upload('echo 5 > result', { user: '2' }),
    ]
    await Promise.all(held.map((id) => first.api.reached(id, 'Running')))
    const payload = (await first.api.job(held[0] ?? 0)).attempts[0]?.payload
    const before = await first.api.job(done.id)
    assert.equal(await first.program.stop(signal), signal === 'SIGTERM' ? 0 : signal)
    await away.release()
    const ended = join(lab.directory, 'client/payloads', String(payload))
    await until('a job has ended while nobody was there', async () =>
      (await readdir(ended)).includes('outcome.json'),
    )

    const { api, program } = await lab.server({ services, env })
    assert.deepEqual(await api.job(done.id), before)
    await api.ended(held[0] ?? 0)
    await back.release()
    const ids = [...held, ...queued]
    const jobs = await Promise.all(ids.map((id) => api.ended(id)))
    for (const [index, job] of [before, ...jobs].entries()) {
      assertLegal(job)
      assert.deepEqual(
        job.history.map(({ to }) => to),
        walk,
        program.said,
      )
      assert.equal(job.attempts.length, 1)
      const files = await api.files(job.id)
      assert.equal(files.get('result')?.content.toString(), `${index}\n`)
    }
    assert.ok((await api.upload('true')) > Math.max(...ids), 'no id is given twice')
  })

  test(`a job that was being sent when ${signal} came starts once and is done`, async () => {
    await using lab = await Lab.create()
    const first = await lab.pair()
    const services = { example: [first.client.address] }
    const ran = join(lab.directory, 'ran')
    first.client.program.child.kill('SIGSTOP') // takes connections, and does not answer
    const id = await first.api.upload(`echo ran >> ${ran}`)
    await first.api.reached(id, 'Processing')
    assert.equal(await first.program.stop(signal), signal === 'SIGTERM' ? 0 : signal)

    const { api } = await lab.server({ services })
    assert.equal((await api.job(id)).status, 'Processing')
    first.client.program.child.kill('SIGCONT')
    const job = await api.ended(id)
    assertLegal(job)
    assert.deepEqual(
      job.history.map(({ to }) => to),
      walk,
    )
    assert.equal(job.attempts.length, 1)
    assert.equal(await readFile(ran, 'utf8'), 'ran\n')
  })
}
