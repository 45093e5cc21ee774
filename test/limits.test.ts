/** What a script may use: who sets it, how that is told, and what becomes of who uses more. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { cgroupMeans, lacksCgroups } from './harness/cgroups.ts'
import { described } from './harness/described.ts'
import { Lab, until } from './harness/lab.ts'

/** Holds 60 MB in memory, for as long as it is let. */
const hungry = `head -c 60000000 /dev/zero | tail -c 60000000 > /dev/null; echo went on`

test('a script that needs too much memory has failed, though it ends well', async (t) => {
  const missing = lacksCgroups('memoryBytes')
  if (missing !== false) return t.skip(missing)
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const by = cgroupMeans.memoryBytes
  const free = await api.run(hungry)
  assert.equal(free.status, 'Completed', free.message)
  assert.ok(Number((await described(api, free.id)).peakMemoryBytes) > 60_000_000)

  const job = await api.run(hungry, { fields: { max_memory: '32MiB' } })
  const message = `run.sh was ended by its memory limit of 32 MiB (${by}), the max_memory of its upload`
  assert.deepEqual([job.status, job.message.split('; ')[0]], ['Failed', message])
  assert.deepEqual(job.limits, { memoryBytes: 33_554_432 })
  const { limits, peakMemoryBytes } = await described(api, job.id)
  assert.deepEqual(limits, { memory: { bytes: 33_554_432, of: 'upload', by, hits: 1 } })
  assert.ok(Number(peakMemoryBytes) <= 33_554_432)
  return undefined
})

test('CPU time is that of all that a script starts', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair({ env: { SERVICE_EXAMPLE_MAX_CPU_TIME: '1s' } })
  const burn = 'while :; do :; done'
  const job = await api.run(`(${burn}) & (${burn}) & wait; echo never > never`)
  assert.equal(job.status, 'Failed')
  assert.match(
    job.message,
    /^run\.sh was ended by its CPU time limit of 1 s \((cgroup v\d|watching|rlimit)\), the most that its service allows$/,
  )
  const { cpuSeconds, limits } = await described(api, job.id)
  assert.ok(cpuSeconds >= 1 && cpuSeconds < 2.5, `${cpuSeconds} s`)
  assert.equal(limits['cpuTime']?.['seconds'], 1)
})

test('each process has its own limits of open files and of file sizes', async () => {
  await using lab = await Lab.create()
  const args = ['--max-open-files', '30', '--max-file-size', '100KiB']
  const { api } = await lab.pair({}, { args })
  const large = await api.run('head -c 1000000 /dev/zero > large')
  assert.deepEqual(
    [large.status, large.message.split('; ')[0]],
    [
      'Failed',
      'run.sh was ended by its file size limit of 100 KiB (rlimit), the most that its client allows',
    ],
  )
  const files = await api.files(large.id, 'download_partial')
  assert.equal(files.get('large')?.content.length, 102_400)
  const job = await api.run(
    'ulimit -Sn; ulimit -Hn; for i in {10..60}; do eval "exec $i</dev/null" || exit 9; done',
  )
  assert.equal(job.status, 'Failed')
  const said = await api.files(job.id, 'download_partial')
  assert.equal(String(said.get('.orchestrator/stdout.log')?.content), '30\n30\n')
  assert.match(String(said.get('.orchestrator/stderr.log')?.content), /file descriptor/)
  const { limits } = await described(api, job.id)
  assert.deepEqual(limits['openFiles'], { count: 30, of: 'client', by: 'rlimit' })
})

test('an upload that asks for more than its service allows is told what would be right', async () => {
  await using lab = await Lab.create()
  const { address } = await lab.client()
  const { api } = await lab.server({
    services: { example: [address] },
    env: { SERVICE_EXAMPLE_MAX_MEMORY: '64MiB', SERVICE_EXAMPLE_MAX_PROCESSES: '9' },
  })
  const form = new FormData()
  for (const [name, value] of [
    ['user_id', '1'],
    ['service', 'example'],
    ['max_memory', '1GiB'],
    ['max_processes', '0'],
  ] as const) {
    form.set(name, value)
  }
  form.append('file', new Blob(['true']), 'run.sh')
  const { status, body } = await api.post('/upload', form)
  assert.equal(status, 400)
  assert.equal(
    body.message,
    'field "max_processes" must be a whole number from 1 to 1000000, not "0"; ' +
      'field "max_memory": service "example" allows 64 MiB at most, not 1 GiB',
  )
  const job = await api.run('true', { fields: { max_memory: '32MiB' } })
  assert.equal(job.status, 'Completed', job.message)
  const { limits } = await described(api, job.id)
  assert.deepEqual(
    [limits['memory']?.['of'], limits['processes']?.['of'], limits['processes']?.['count']],
    ['upload', 'service', 9],
  )
})

test('limits go on while the client is away, and nothing of them is left', async (t) => {
  const missing = lacksCgroups('end')
  if (missing !== false) return t.skip(missing)
  await using lab = await Lab.create()
  // The script waits for a file of ours.
  const apart = ['--isolation', 'none']
  const first = await lab.client({ args: apart })
  const { api } = await lab.server({ services: { example: [first.address] } })
  const port = new URL(first.address).port
  const id = await api.upload(
    `while [ ! -e '${lab.directory}/go' ]; do sleep 0.05; done; ${hungry}`,
    { fields: { max_memory: '32MiB', max_processes: '7' } },
  )
  await api.reached(id, 'Running')
  const cgroup = cgroupOfScripts(lab)
  assert.ok(cgroup.length > 0)
  await first.program.stop('SIGKILL')
  const again = lab.program(
    ['client', '--port', port, '--data-path', `${lab.directory}/client`, ...apart],
    {},
  )
  await again.address()
  await writeFile(`${lab.directory}/go`, '')
  const job = await api.ended(id)
  assert.equal(job.status, 'Failed')
  assert.match(job.message, /memory limit of 32 MiB/)
  await until('its cgroups are gone', () => !cgroup.some((one) => existsSync(one)))
  return undefined
})

/** Cgroups of the scripts of a lab's client that are there now. */
function cgroupOfScripts(lab: Lab): string[] {
  const file = `${lab.directory}/client/payloads`
  const id = readdirSync(file).find((name) => /^\d+$/.test(name))
  const noted = JSON.parse(String(readFileSync(`${file}/${id}/bounds.json`))) as {
    cgroups: { v1?: Record<string, string>; v2?: string }
  }
  const { v1 = {}, v2 } = noted.cgroups
  return [...Object.values(v1), ...(v2 === undefined ? [] : [v2])]
}
