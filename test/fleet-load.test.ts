/** Load decides which client gets a job. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { allowedCpus } from '../src/client/ticks.ts'
import { chooseClient } from '../src/domain/choose-client.ts'
import type { Api } from './harness/api.ts'
import { Lab, until } from './harness/lab.ts'
import { StandIn, taking } from './harness/stand-in.ts'

const wide = { SERVICE_EXAMPLE_MAX_RUNS: '1000', SERVICE_EXAMPLE_RUNS_PER_USER: '1000' }
const allowed = allowedCpus(await readFile('/proc/self/status', 'latin1')) ?? ''
const cpus = allowed.split(/[,-]/).map(Number)

/** What the server knows of its clients, in the order of the configuration. */
async function clientsOf(api: Api) {
  return (await api.health()).services[0]?.clients ?? []
}

test('clients get jobs by what of them is idle, as they tell it, and by nothing else', async () => {
  await using lab = await Lab.create()
  await using idle = await StandIn.create(taking(), { load: 0 })
  await using half = await StandIn.create(taking(), { load: 50 })
  await using busy = await StandIn.create(taking(), { load: 100 })
  const all = [idle, half, busy]
  const { api } = await lab.server({
    services: { example: all.map(({ address }) => address) },
    env: wide,
  })
  const sendOne = async () => api.reached(await api.upload('true'), 'Submitted')
  const counts = async () => (await clientsOf(api)).map(({ active }) => active)
  for (let job = 0; job < 32; job++) await sendOne()
  assert.deepEqual(await counts(), [20, 10, 2])

  // The other way round: the one that was busy catches up.
  idle.tellLoad({ load: 100 })
  busy.tellLoad({ load: 0 })
  await until('it is known', async () => {
    return (await clientsOf(api)).map(({ load }) => load).join() === '100,50,0'
  })
  for (let job = 0; job < 18; job++) await sendOne()
  assert.deepEqual(await counts(), [20, 10, 20])
})

test(
  'beside somebody who burns its CPU a client gets less, as its load says',
  { skip: cpus.length < 2 && 'two CPUs are needed' },
  async (t) => {
    await using lab = await Lab.create()
    const pinned = [cpus[0], cpus.at(-1)].map((cpu) => ['taskset', '-c', `${cpu}`])
    const started = pinned.map((through, index) => lab.client({ name: `node${index}`, through }))
    const clients = await Promise.all(started)
    const services = { example: clients.map(({ address }) => address) }
    const { api } = await lab.server({ services, env: wide })
    // Politely: it takes only what nobody else wants, and its CPU is busy all the same.
    const burner = spawn('taskset', ['-c', `${cpus[0]}`, 'nice', '-n', '19', 'sh', '-c', burn])
    await using ends = new AsyncDisposableStack()
    ends.defer(() => void burner.kill('SIGKILL'))
    await until('the client beside it is busy', async () => {
      return ((await clientsOf(api))[0]?.load ?? 0) > 95
    })

    const seen: number[][] = []
    const look = async () => seen.push((await clientsOf(api)).map(({ load }) => load ?? 0))
    const watching = new AbortController()
    const watch = (async () => {
      while (!watching.signal.aborted) {
        await look()
        await delay(50, undefined, watching).catch(() => {})
      }
      await look()
    })()
    const jobs = 30
    for (let job = 0; job < jobs; job++) {
      await api.reached(await api.upload('exec sleep 600'), 'Submitted')
    }
    watching.abort()
    await watch
    const [busy = 0, other = 0] = (await clientsOf(api)).map(({ active }) => active)
    assert.equal(busy + other, jobs)

    // The machine may do other things too: then the other one is not idle, and says so.
    const [busyLoads = [], otherLoads = []] = [0, 1].map((at) =>
      seen.map((loads) => loads[at] ?? 0),
    )
    const least = share(jobs, Math.max(...busyLoads), Math.min(...otherLoads))
    const most = share(jobs, Math.min(...busyLoads), Math.max(...otherLoads))
    t.diagnostic(`${busy} jobs at ${range(busyLoads)}, ${other} at ${range(otherLoads)}`)
    assert.ok(busy >= least - 1 && busy <= most + 1, `${busy} is from ${least} to ${most}`)
    if (Math.min(...busyLoads) > Math.max(...otherLoads) + 10) assert.ok(busy < other)
  },
)

/** Ends with its parent: nobody is left to burn when a test is cut short. */
const burn = 'while [ -e "/proc/$PPID" ]; do i=0; while [ $i -lt 9999 ]; do i=$((i+1)); done; done'

/** How many of so many jobs a client gets beside another one, by their loads. */
function share(jobs: number, load: number, loadOfOther: number): number {
  const common = { healthy: true, slow: false, waiting: 0, slots: null, lastGiven: 0 }
  const client = { ...common, active: 0, load }
  const other = { ...common, active: 0, load: loadOfOther }
  for (let job = 0; job < jobs; job++) {
    const chosen = chooseClient([client, other], 1)
    if (chosen) chosen.active++
  }
  return client.active
}

function range(loads: readonly number[]): string {
  return `${Math.min(...loads)} to ${Math.max(...loads)} %`
}
