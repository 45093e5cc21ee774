/** Our server drives a client of version 2.2.3. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lab } from './harness/lab.ts'
import { RClient } from './harness/r-client.ts'

const trap = "trap 'echo $? > .orchestrator.exit' EXIT\n"

test('a job runs at a 2.2.3 client, and its result is that of the script alone', async () => {
  await using lab = await Lab.create()
  await using client = await RClient.create()
  const { api, program } = await lab.server({ services: { example: [client.address] } })
  const job = await api.run({ 'run.sh': `${trap}cat 'ä b.txt' > out`, 'ä b.txt': 'hello\n' })
  assert.equal(job.status, 'Completed', job.message)
  const files = await api.files(job.id)
  assert.deepEqual(
    [...files.keys()].toSorted(),
    ['.orchestrator.exit', 'out', 'run.sh', 'ä b.txt'].toSorted(),
  )
  assert.equal(files.get('out')?.content.toString(), 'hello\n')
  assert.deepEqual(
    job.history.map(({ to }) => to),
    ['Queued', 'Processing', 'Submitted', 'Running', 'Completed'],
  )
  const { services } = await api.health()
  assert.equal(services[0]?.clients[0]?.older, true)
  const told = program.lines.filter(({ msg }) => / is reachable/.test(msg))
  assert.equal(told.length, 1, program.said)
})
