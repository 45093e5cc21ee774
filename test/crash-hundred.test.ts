/** A client that dies while it has a hundred jobs. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { open, readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { promisify } from 'node:util'
import type { ServerHealth } from '../src/domain/protocol.ts'
import { bundle } from './harness/bundled.ts'
import type { Bundled } from './harness/bundled.ts'
import { withLines } from './harness/crash-scenarios.ts'
import { runTrial } from './harness/crash-trial.ts'
import type { Scenario, Trial } from './harness/crash-trial.ts'
import { until } from './harness/lab.ts'
import type { Findings } from './harness/oracle.ts'
import { makeTask } from './harness/tasks.ts'

const hundred = Array.from({ length: 100 }, (_, index) => `job-${index}`)
const everything = { SERVICE_EXAMPLE_RUNS_PER_USER: '100', SERVICE_EXAMPLE_MAX_RUNS: '100' }

const half = hundred.length / 2

/** Supervising shells that are killed while no client is there. */
const killed = 5

/** Process ids of some supervising shells, by their start records. */
async function findShells({ directories }: Trial, wanted: number): Promise<number[]> {
  const root = join(directories.clients[0] ?? '', 'payloads')
  const names = (await readdir(root)).filter((name) => /^\d+$/.test(name)).slice(0, wanted)
  const records = names.map((name) => readFile(join(root, name, 'start'), 'utf8'))
  return (await Promise.all(records)).map((record) => Number(record.split(' ')[0]))
}

async function isAtRest({ pair }: Trial): Promise<boolean> {
  const health = (await (await pair.door.fetch('/health')).json()) as ServerHealth
  return health.services.every(({ active, queued }) => active + queued === 0)
}

/** Every job is done, and none but those that had to be were sent again. */
function assertDone({ jobs, entries }: Findings, again: number): void {
  assert.deepEqual([...new Set(jobs.map(({ status }) => status))], ['Completed'])
  assert.equal(jobs.length, hundred.length)
  const starts = entries.filter(({ what }) => what === 'start')
  assert.equal(starts.length, hundred.length + again)
  assert.equal(jobs.filter(({ lostAttempts }) => lostAttempts > 0).length, again)
}

const running: Scenario = {
  prepare: async (trial) => {
    const { pair, ledger } = trial
    const fifo = join(ledger.directory, 'fifo')
    await promisify(execFile)('mkfifo', [fifo])
    await Promise.all([pair.start('server'), pair.start('client')])
    // Each reads a line of its own, sooner or later.
    const wait = `read -r _ <'${fifo}'`
    await Promise.all(hundred.map((label) => trial.upload(withLines(trial, wait, {}, label))))
    await until('a hundred scripts run', async () => (await ledger.read()).length === 100)
    await pair.kill('client')
    for (const pid of await findShells(trial, killed)) process.kill(pid, 'SIGKILL')
  },
  act: async (trial) => {
    const { ledger, back } = trial
    // For reading too: so it waits for nobody.
    const flags = constants.O_RDWR | constants.O_NONBLOCK
    await using fifo = await open(join(ledger.directory, 'fifo'), flags)
    await fifo.write('\n'.repeat(half))
    await until('half of them have ended, and no client is there', async () => {
      return (await ledger.read()).filter(({ what }) => what === 'end').length >= half
    })
    await back
    await fifo.write('\n'.repeat(half + killed))
    await until('all have ended', () => isAtRest(trial))
  },
  check: async (_trial, findings) => assertDone(findings, killed),
}

const starting: Scenario = {
  act: async (trial) => {
    await Promise.all(hundred.map((label) => trial.upload(makeTask(trial.ledger, label, 'quick'))))
  },
  check: async (_trial, findings) => assertDone(findings, 0),
}

void suite('a client dies that has a hundred jobs', () => {
  let bundled: Bundled
  before(async () => {
    const made = await bundle()
    bundled = { ...made, env: { ...made.env, ...everything } }
  })
  after(() => bundled[Symbol.asyncDispose]())

  test('while all of them run, and some shells with it: a hundred results, nothing twice', () =>
    runTrial(bundled, 'client', [], running))

  test('between starting some of them and noting it, three times', () => {
    const crashes = ['run: spawning@30', 'run: spawned@30', 'run: noted@20']
    return runTrial(bundled, 'client', crashes, starting)
  })
})
