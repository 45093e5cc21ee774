/** Scripts that are run again when they fail, as often as their upload asks for. */
import assert from 'node:assert/strict'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import type { JobDetails } from '../src/domain/protocol.ts'
import { Hold } from './harness/held.ts'
import { Lab, until } from './harness/lab.ts'
import { RClient, trap } from './harness/r-client.ts'
import { openServerStore } from './harness/seed.ts'

const asking = (runs: number) => ({ fields: { max_attempts: String(runs) } })
const oneAtOnce = { SERVICE_EXAMPLE_MAX_RUNS: '1' }

/** What the server has of a job on its disk. */
const filesOf = async (lab: Lab, id: number) =>
  (await readdir(join(lab.directory, 'server/jobs', String(id)))).toSorted()

const counts = ({ maxAttempts, failedAttempts, lostAttempts }: JobDetails) => ({
  maxAttempts,
  failedAttempts,
  lostAttempts,
})

const outcome = (run: number) =>
  `run.sh ended with exit code 1; stderr: why ${run} (run ${run} of at most 5)`

void suite('scripts that fail are run again', { concurrency: 4 }, () => {
  test('a job that fails twice and then succeeds is Completed, and its history has it all', async () => {
    await using lab = await Lab.create()
    const { api } = await lab.pair()
    const script = 'echo "$ATTEMPT" | tee out; echo "why $ATTEMPT" >&2; [ "$ATTEMPT" -eq 3 ]'
    const job = await api.ended(await api.upload(script, asking(5)))
    assert.deepEqual([job.status, job.message], ['Completed', ''])
    assert.deepEqual(counts(job), { maxAttempts: 5, failedAttempts: 2, lostAttempts: 0 })
    assert.deepEqual(
      job.attempts.map((attempt) => attempt.outcome),
      [outcome(1), outcome(2), 'run.sh ended with exit code 0'],
    )
    assert.ok(job.attempts.every(({ startedAt, endedAt }) => startedAt && endedAt))
    const run = ['Processing', 'Submitted', 'Running']
    assert.deepEqual(
      job.history.map(({ to }) => to),
      ['Queued', ...run, 'Queued', ...run, 'Queued', ...run, 'Completed'],
    )
    const again = job.history.filter(({ from, to }) => from === 'Running' && to === 'Queued')
    assert.deepEqual(
      again.map(({ attempt, reason }) => [attempt, reason]),
      [
        [1, outcome(1)],
        [2, outcome(2)],
      ],
    )
    assert.equal((await api.files(job.id)).get('out')?.content.toString(), '3\n')
    assert.deepEqual(await filesOf(lab, job.id), ['input', 'result.3.zip'])
    const payloads = join(lab.directory, 'client/payloads')
    await until('the client has forgotten all runs', async () =>
      (await readdir(payloads)).every((name) => !/^\d+$/.test(name)),
    )
  })

  test('one that fails each time is Failed after so many runs, with the last result', async () => {
    await using lab = await Lab.create()
    const { api } = await lab.pair()
    const script = 'echo "$ATTEMPT" > out; exit 7'
    const job = await api.ended(await api.upload(script, asking(3)))
    assert.deepEqual([job.status, job.message], ['Failed', 'run.sh ended with exit code 7'])
    assert.deepEqual(counts(job), { maxAttempts: 3, failedAttempts: 3, lostAttempts: 0 })
    const files = await api.files(job.id, 'download_partial')
    assert.equal(files.get('out')?.content.toString(), '3\n')
    assert.deepEqual(await filesOf(lab, job.id), ['input', 'result.3.zip'])

    const once = await api.run(script)
    assert.deepEqual(counts(once), { maxAttempts: 1, failedAttempts: 1, lostAttempts: 0 })
    assert.deepEqual([once.attempts.length, once.maxRuntimeSeconds], [1, null])
  })

  test('while it waits to be run again, it says why, and can be terminated', async () => {
    await using lab = await Lab.create()
    const { api, program } = await lab.pair({ env: oneAtOnce })
    const [fail, go] = [new Hold(lab, 'fail'), new Hold(lab, 'go')]
    const id = await api.upload(`${fail.wait}; exit 4`, asking(2))
    await api.reached(id, 'Running')
    const next = await api.upload(go.wait, { user: '2' })
    await fail.release()
    await program.line(({ job, from, to }) => job === id && from === 'Running' && to === 'Queued')
    await api.reached(next, 'Running')
    const message = 'run.sh ended with exit code 4 (run 1 of at most 2)'
    const { body } = await api.get(`/download/${id}`)
    assert.deepEqual(body, { id, status: 'Queued', message })
    const partial = await api.files(id, 'download_partial')
    assert.deepEqual([...partial.keys()], ['run.sh'], 'only the files that were sent are there')
    assert.deepEqual(await filesOf(lab, id), ['input'])
    await api.terminate(id)
    await go.release()
    assert.equal((await api.ended(next)).status, 'Completed')
    const job = await api.job(id)
    assert.deepEqual([job.status, job.attempts.length], ['Killed', 1])
  })

  test('a job that is terminated while it runs is not run again', async () => {
    await using lab = await Lab.create()
    const { api } = await lab.pair()
    const script = 'trap "exit 1" TERM; touch begun; while :; do sleep 0.02; done'
    const id = await api.upload(script, asking(9))
    await api.reached(id, 'Running')
    await api.terminate(id)
    const job = await api.ended(id)
    assert.deepEqual([job.status, job.attempts.length], ['Killed', 1])
    // Whoever is next shows that it would have been its turn.
    assert.equal((await api.run('true')).status, 'Completed')
    assert.equal((await api.job(id)).attempts.length, 1)
  })

  test('a failed run that its client was not told to forget is not counted twice', async () => {
    await using lab = await Lab.create()
    const first = await lab.pair()
    const services = { example: [first.client.address] }
    const [fail, go] = [new Hold(lab, 'fail'), new Hold(lab, 'go')]
    const id = await first.api.upload(`${fail.wait}; [ $ATTEMPT -eq 2 ]`, asking(2))
    const busy = await first.api.upload(go.wait, { user: '2' })
    await first.api.reached(id, 'Running')
    await first.api.reached(busy, 'Running')
    const payload = String((await first.api.job(id)).attempts[0]?.payload)
    await first.program.stop('SIGKILL')
    await fail.release()
    const payloads = join(lab.directory, 'client/payloads')
    await until('it has ended while nobody was there', async () =>
      (await readdir(join(payloads, payload))).includes('outcome.json'),
    )
    {
      // As if the server had died between the commit and the call to the client.
      await using store = await openServerStore(lab)
      const result = { sizeBytes: 1, sha256: 'a'.repeat(64) }
      const fact = { is: 'ended', attempt: 1, status: 'Failed', message: 'no', result } as const
      assert.equal((await store.learn(id, fact, Date.now()))?.status, 'Queued')
    }
    const { api } = await lab.server({ services, env: oneAtOnce })
    await until(
      'its client has forgotten it',
      async () => !(await readdir(payloads)).includes(payload),
    )
    assert.deepEqual(await filesOf(lab, id), ['input'])
    assert.deepEqual(
      [(await api.job(id)).status, (await api.job(id)).failedAttempts],
      ['Queued', 1],
    )
    await go.release()
    const job = await api.ended(id)
    assert.deepEqual([job.status, job.attempts.length, job.failedAttempts], ['Completed', 2, 1])
    assert.deepEqual(await filesOf(lab, id), ['input', 'result.2.zip'])
  })

  test('it is run again at a client of version 2.2.3 as well', async () => {
    await using lab = await Lab.create()
    await using client = await RClient.create()
    const { api } = await lab.server({ services: { example: [client.address] } })
    const ledger = join(lab.directory, 'ledger')
    const script = `${trap}echo run >> '${ledger}'; cp '${ledger}' out; [ $(wc -l < out) -eq 3 ]`
    const job = await api.ended(await api.upload(script, asking(4)))
    assert.equal(job.status, 'Completed', job.message)
    assert.deepEqual(counts(job), { maxAttempts: 4, failedAttempts: 2, lostAttempts: 0 })
    assert.equal(await readFile(ledger, 'utf8'), 'run\n'.repeat(3))
    assert.equal((await api.files(job.id)).get('out')?.content.toString(), 'run\n'.repeat(3))
    assert.deepEqual(await filesOf(lab, job.id), ['input', 'result.3.zip'])
  })

  test('what an upload asks for is kept, and shown', async () => {
    await using lab = await Lab.create()
    const { api } = await lab.server({ services: { example: ['http://127.0.0.1:1'] } })
    for (const [max_runtime, seconds] of [
      ['90', 90],
      ['1.5h', 5400],
      ['500ms', 0.5],
    ] as const) {
      const id = await api.upload('true', { fields: { max_runtime, max_attempts: '100' } })
      const { maxRuntimeSeconds, maxAttempts, failedAttempts } = await api.job(id)
      assert.deepEqual([maxRuntimeSeconds, maxAttempts, failedAttempts], [seconds, 100, 0])
    }
  })
})
