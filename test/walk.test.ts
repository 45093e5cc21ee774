/** The whole walk of a job that does what it should. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lab, until } from './harness/lab.ts'

test('a job goes from upload to download', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const before = Date.now()
  const job = await api.run(
    { 'run.sh': 'sort input.txt > sorted.txt; echo done; echo warning >&2', 'input.txt': 'b\na\n' },
    { user: 'ada@example.org' },
  )
  assert.equal(job.status, 'Completed')
  assert.deepEqual(
    job.history.map(({ to }) => to),
    ['Queued', 'Processing', 'Submitted', 'Running', 'Completed'],
  )
  const files = await api.files(job.id)
  assert.deepEqual([...files.keys()].toSorted(), [
    '.orchestrator/job.json',
    '.orchestrator/stderr.log',
    '.orchestrator/stdout.log',
    'input.txt',
    'run.sh',
    'sorted.txt',
  ])
  const text = (name: string) => files.get(name)?.content.toString()
  assert.equal(text('sorted.txt'), 'a\nb\n')
  assert.equal(text('.orchestrator/stdout.log'), 'done\n')
  assert.equal(text('.orchestrator/stderr.log'), 'warning\n')
  const description = JSON.parse(text('.orchestrator/job.json') ?? '') as Record<string, unknown>
  assert.equal(description['exitCode'], 0)
  assert.equal(description['user'], 'ada@example.org')
  assert.equal(description['job'], job.id)
  const sorted = files.get('sorted.txt')?.mtime.getTime() ?? 0
  assert.ok(sorted >= before - 1000 && sorted <= Date.now(), 'files keep their times')
})

test('the script gets its own environment, and nothing else of the daemon', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair(
    {},
    { env: { LICENCE: 'yes', SECRET: 'no' }, args: ['--pass-env', 'LICENCE,NOT_SET'] },
  )
  const job = await api.run('env -0 | sort -z | tr "\\0" "\\n" > env.txt; pwd > pwd.txt', {
    user: '42',
  })
  const files = await api.files(job.id)
  const lines = files.get('env.txt')?.content.toString().trim().split('\n') ?? []
  const environment = new Map(lines.map((line) => line.split(/=(.*)/s, 2) as [string, string]))
  const work = files.get('pwd.txt')?.content.toString().trim() ?? ''
  assert.deepEqual(
    [...environment.keys()].filter((name) => !['_', 'PWD', 'SHLVL', 'OLDPWD'].includes(name)),
    ['ATTEMPT', 'HOME', 'JOB_ID', 'LANG', 'LICENCE', 'PATH', 'SERVICE', 'TMPDIR', 'USER_ID'],
  )
  assert.equal(environment.get('JOB_ID'), String(job.id))
  assert.equal(environment.get('USER_ID'), '42')
  assert.equal(environment.get('SERVICE'), 'example')
  assert.equal(environment.get('ATTEMPT'), '1')
  assert.equal(environment.get('LICENCE'), 'yes')
  assert.equal(environment.get('LANG'), 'C.UTF-8')
  assert.equal(environment.get('HOME'), work.replace(/work$/, 'home'))
  assert.equal(environment.get('TMPDIR'), work.replace(/work$/, 'tmp'))
})

test('when its result is stored, the client forgets the payload', async () => {
  await using lab = await Lab.create()
  const { api, client } = await lab.pair()
  const job = await api.run('true')
  const payload = job.attempts[0]?.payload
  await until('the payload is forgotten', async () => {
    const response = await fetch(`${client.address}/retrieve/${payload}`)
    await response.arrayBuffer()
    return response.status === 404
  })
})
