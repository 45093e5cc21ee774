/** Scripts that run for longer than they may, and who ends them when. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Lab, until } from './harness/lab.ts'
import { isGone } from './harness/processes.ts'

const message = /^run\.sh was ended by its time limit: it ran for longer than /
const ofService = ', the most that its service allows'
const ofUpload = ', the max_runtime of its upload'

test('a script that runs for too long is ended as by a kill, and has failed', async () => {
  await using lab = await Lab.create()
  const { api, client } = await lab.pair({ env: { SERVICE_EXAMPLE_MAX_RUNTIME: '2s' } })
  const polite = await api.upload(
    `trap 'echo asked > asked.txt; exit 0' TERM; echo half > half.txt; sleep 1000 & wait`,
  )
  const stubborn = await api.upload(`trap '' TERM HUP INT; echo $$ > pid.txt
    while true; do sleep 1000; done`)
  const short = await api.upload('true')
  assert.equal((await api.ended(short)).status, 'Completed')

  const job = await api.ended(polite)
  assert.deepEqual(
    [job.status, job.message],
    ['Failed', `run.sh was ended by its time limit: it ran for longer than 2 s${ofService}`],
  )
  assert.deepEqual((await api.get(`/download/${polite}`)).body.message, job.message)
  const files = await api.files(polite, 'download_partial')
  assert.equal(files.get('half.txt')?.content.toString(), 'half\n')
  assert.equal(files.get('asked.txt')?.content.toString(), 'asked\n')

  const forced = await api.ended(stubborn)
  assert.deepEqual([forced.status, forced.message], [job.status, job.message])
  const left = await api.files(stubborn, 'download_partial')
  const details: unknown = JSON.parse(String(left.get('.orchestrator/job.json')?.content))
  assert.equal((details as { signal: string }).signal, 'SIGKILL')
  const pid = Number(left.get('pid.txt')?.content)
  await until('its script is dead', () => isGone(pid))

  const told = client.program.lines.filter(({ ranMs }) => typeof ranMs === 'number')
  assert.deepEqual(new Set(told.map((line) => line['job'])), new Set([polite, stubborn]))
  for (const { ranMs } of told) assert.ok(Number(ranMs) >= 2000)
  assert.equal((await api.terminate(polite)).status, 409)
})

test('the smaller limit of the service and the upload counts', async () => {
  await using lab = await Lab.create()
  const { address } = await lab.client()
  const { api } = await lab.server({
    services: { slow: [address], free: [address], quick: [address] },
    env: { SERVICE_SLOW_MAX_RUNTIME: '1h', SERVICE_QUICK_MAX_RUNTIME: '1200ms' },
  })
  const send = (service: string, script: string, max_runtime?: string) =>
    api.upload(script, { service, ...(max_runtime && { fields: { max_runtime } }) })
  const endless = 'sleep 1000'
  const ofItsUpload = await send('slow', endless, '1')
  const alone = await send('free', endless, '1.5s')
  const ofItsService = await send('quick', endless, '1h')
  const none = await send('free', 'true')
  const long = await send('free', 'true', '365d')
  for (const [id, expected] of [
    [ofItsUpload, `1 s${ofUpload}`],
    [alone, `1500 ms${ofUpload}`],
    [ofItsService, `1200 ms${ofService}`],
  ] as const) {
    const job = await api.ended(id)
    assert.equal(job.status, 'Failed')
    assert.equal(job.message.replace(message, ''), expected)
  }
  for (const id of [none, long]) assert.equal((await api.ended(id)).status, 'Completed')
})

test('a job that passes its limit while its server is away has failed when that is back', async () => {
  await using lab = await Lab.create()
  const env = { SERVICE_EXAMPLE_MAX_RUNTIME: '3s' }
  const first = await lab.pair({ env })
  const id = await first.api.upload('echo here > here.txt; sleep 1000')
  await first.api.reached(id, 'Running')
  await first.program.stop('SIGKILL')
  await first.client.program.line((line) => line['job'] === id && line['status'] === 'Failed')
  // What its service allows by then does not matter.
  const { api } = await lab.server({ services: { example: [first.client.address] } })
  const job = await api.ended(id)
  assert.equal(job.status, 'Failed')
  assert.equal(job.message.replace(message, ''), `3 s${ofService}`)
  assert.ok((await api.files(id, 'download_partial')).has('here.txt'))
  assert.equal(job.attempts.length, 1)
})

test('one that is terminated after it has passed its limit has failed all the same', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair({ env: { SERVICE_EXAMPLE_MAX_RUNTIME: '1s' } })
  const asked = join(lab.directory, 'asked')
  const id = await api.upload(
    `trap "echo > '${asked}'" TERM; while true; do sleep 1000 & wait; done`,
  )
  await until('it is being ended', () => readFile(asked).then(Boolean, () => false))
  await api.terminate(id)
  const job = await api.ended(id)
  assert.equal(job.status, 'Failed')
  assert.match(job.message, message)
})
