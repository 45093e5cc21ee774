/** A client that may make no cgroups, as another user or as it is told: what it says, and still does. */
import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { described } from './harness/described.ts'
import { Lab } from './harness/lab.ts'
import type { ClientUnderTest } from './harness/lab.ts'

/** Nobody's and no group's id on all systems of ours. */
const nobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups']

/** Why the program cannot be started as nobody; `undefined` if it can. */
function whyNotNobody(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can start a client as somebody else'
  try {
    execFileSync(nobody[0] ?? '', [...nobody.slice(1), process.execPath, '--version'])
    execFileSync(nobody[0] ?? '', [...nobody.slice(1), 'cat', import.meta.filename])
    return undefined
  } catch {
    return 'nobody may read the program here'
  }
}

async function enforcementOf({ address }: ClientUnderTest): Promise<Record<string, string>> {
  const health = (await (await fetch(`${address}/health`)).json()) as {
    enforcement: Record<string, string>
  }
  return health.enforcement
}

const without = {
  memoryBytes: 'watching',
  cpuTimeMs: 'watching',
  processes: 'watching',
  openFiles: 'rlimit',
  fileSizeBytes: 'rlimit',
  diskBytes: 'watching',
  outputBytes: 'watching',
  end: 'session',
}

for (const how of ['as nobody', 'with CGROUPS=none'] as const) {
  test(`without cgroups, ${how}: it says so, and watches`, async (t) => {
    const missing = how === 'as nobody' ? whyNotNobody() : undefined
    if (missing !== undefined) return t.skip(missing)
    await using lab = await Lab.create()
    chmodSync(lab.directory, 0o777)
    const through = how === 'as nobody' ? nobody : []
    const args = how === 'as nobody' ? [] : ['--cgroups', 'none']
    const { api, client } = await lab.pair({}, { through, args })
    assert.deepEqual(await enforcementOf(client), without)
    const said = client.program.lines.find(({ msg }) => msg.startsWith('limits: '))
    assert.match(said?.msg ?? '', /memoryBytes, .* by watching; .* outlive their script$/)

    const fine = await api.run('id -u; echo done > out', { fields: { max_memory: '1GiB' } })
    assert.equal(fine.status, 'Completed', fine.message)
    const { limits, endedBy } = await described(api, fine.id)
    assert.deepEqual(
      [endedBy, limits['memory']],
      ['session', { bytes: 1024 ** 3, of: 'upload', by: 'watching' }],
    )

    const hold = `text=$(head -c 80000000 /dev/zero | tr '\\0' x); sleep 60`
    const many = 'for i in {1..30}; do sleep 60 & done; wait'
    const burn = '(while :; do :; done) & (while :; do :; done) & wait'
    for (const [script, field, most, words] of [
      [hold, 'max_memory', '40MiB', 'memory limit of 40 MiB (watching)'],
      [many, 'max_processes', '20', 'limit of processes of 20 (watching)'],
      [burn, 'max_cpu_time', '1s', 'CPU time limit of 1 s ('],
    ] as const) {
      const job = await api.run(script, { fields: { [field]: most } })
      assert.equal(job.status, 'Failed', field)
      assert.ok(job.message.startsWith(`run.sh was ended by its ${words}`), job.message)
    }
    return undefined
  })
}
