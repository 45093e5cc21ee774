/** `npm run demo` shows what it promises, and leaves nothing behind however it ends. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  realpath,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { until } from './harness/lab.ts'

const demo = join(import.meta.dirname, '..', 'examples', 'demo.ts')
/** What takes longer than this is not going to happen. */
const patienceMs = 60_000

test('the demo takes jobs from upload to their results, and says which client ran which', async () => {
  await using run = await DemoRun.start()
  assert.equal(await run.exitCode(), 0, run.everything)
  const { output } = run
  assert.equal(run.errors, '')
  const steps = output.matchAll(/^ +(\d+) ms {2}(\w+) /gm)
  const [times, statuses] = [[] as number[], [] as (string | undefined)[]]
  for (const [, time, status] of steps) {
    times.push(Number(time))
    statuses.push(status)
  }
  assert.deepEqual(statuses, ['Queued', 'Processing', 'Submitted', 'Running', 'Completed'])
  assert.equal(times[0], 0)
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  )
  assert.match(output, /^ +\d+ {2}distances\.csv$/m)
  assert.match(output, /^ +\d+ {2}\.orchestrator\/job\.json$/m)
  assert.match(output, /^ +radius of gyration +13\.185 A$/m)
  const rows = output.matchAll(/^ +(\d) +(\d+) +(client [AB]) +\d+ {2}(\d+\.\d+)$/gm)
  const jobs = [...rows].map(([, id, seed, , gyration]) => [id, seed, gyration])
  assert.deepEqual(jobs, [
    ['1', '1953', '74.00'],
    ['2', '1954', '72.80'],
    ['3', '1955', '73.36'],
    ['4', '1956', '73.90'],
  ])
  assert.ok(output.split('\n').length <= 50, 'it is about one screen')
  assert.match(output, /\nEverything is stopped and removed\.\n$/)
  await run.assertNothingLeft()
})

test('--keep leaves all running until Ctrl-C, and then ends what still runs', async () => {
  await using run = await DemoRun.start(['--keep'])
  await run.until(/What happens to your jobs:\n/)
  const url = (end: RegExp) =>
    new RegExp(`(http://[\\d.:]+${end.source})$`, 'm').exec(run.output)?.[1]
  const health = await fetch(url(/\/health/) ?? '')
  assert.equal(health.status, 200)
  assert.equal(((await health.json()) as { status: string }).status, 'ok')
  assert.equal((await fetch(url(/\/load/) ?? '')).status, 200)
  assert.equal((await fetch(url(/\/swagger-ui\//) ?? '')).status, 200)

  const form = new FormData()
  form.set('user_id', 'you')
  form.set('service', 'example')
  form.set('file', new Blob(['sleep 600\n']), 'run.sh')
  const sent = await fetch(url(/\/upload/) ?? '', { method: 'POST', body: form })
  assert.equal(sent.status, 201)
  await run.until(/^ +job 5: .*-> Running/m)
  await until('the script is there beside the demo and its three programs', async () => {
    return (await run.processes()).length > 4
  })

  run.signal('SIGINT')
  assert.equal(await run.exitCode(), 0, run.everything)
  await run.assertNothingLeft()
})

test('Ctrl-C in the middle ends everything, also when it arrives twice', async () => {
  await using run = await DemoRun.start([], 'endless')
  await run.until(/ Running /)
  run.signal('SIGINT')
  run.signal('SIGINT')
  assert.equal(await run.exitCode(), 128 + constants.signals.SIGINT, run.everything)
  assert.match(run.output, /\nInterrupted\.\nEverything is stopped and removed\.\n$/)
  await run.assertNothingLeft()
})

test('Ctrl-C at the very start ends everything', async () => {
  await using run = await DemoRun.start()
  await run.until(/Starting two clients/)
  run.signal('SIGINT')
  assert.equal(await run.exitCode(), 128 + constants.signals.SIGINT, run.everything)
  await run.assertNothingLeft()
})

test('a demo that goes wrong says why', async () => {
  await using run = await DemoRun.start([], 'missing')
  assert.equal(await run.exitCode(), 1, run.everything)
  assert.match(run.errors, /The demo failed: job \d is Failed; its stderr says:\n.*awk.*not found/)
  assert.match(
    run.errors,
    /\nLast lines of client A:\n {2}.*\n(.*\n)*Last lines of client B:\n {2}.*\n(.*\n)*Last lines of server:\n/,
  )
  await run.assertNothingLeft()
})

test('the demo refuses what it does not know', async () => {
  await using run = await DemoRun.start(['--kep'])
  assert.equal(await run.exitCode(), 2)
  assert.equal(run.errors, 'demo: unknown argument "--kep"; the only one there is is --keep\n')
  assert.equal(run.output, '')
  await run.assertNothingLeft()
})

/** The demo as a process, with a temporary directory of its own. */
class DemoRun implements AsyncDisposable {
  output = ''
  errors = ''
  readonly #directory: string
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>

  private constructor(directory: string, args: readonly string[], PATH: string) {
    this.#directory = directory
    const env = { PATH, TMPDIR: join(directory, 'tmp') }
    this.#child = spawn(process.execPath, [demo, ...args], { env, cwd: directory })
    this.#child.stdout?.on('data', (chunk: Buffer) => (this.output += chunk.toString()))
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.errors += chunk.toString()))
    this.#ended = once(this.#child, 'close', { signal: AbortSignal.timeout(patienceMs) })
    this.#ended.catch(() => {})
  }

  /** @param awk what the example's script finds. */
  static async start(
    args: readonly string[] = [],
    awk: 'usual' | 'missing' | 'endless' = 'usual',
  ): Promise<DemoRun> {
    const directory = await realpath(await mkdtemp(join(tmpdir(), 'job-orchestrator-test-')))
    await mkdir(join(directory, 'tmp'))
    if (awk === 'usual') return new DemoRun(directory, args, process.env['PATH'] ?? '')
    const path = join(directory, 'bin')
    await mkdir(path)
    const bash = await find('bash')
    await symlink(bash, join(path, 'bash'))
    if (awk === 'endless') {
      const endless = `#!${bash}\nexec ${await find('sleep')} 600\n`
      await writeFile(join(path, 'awk'), endless, { mode: 0o755 })
    }
    return new DemoRun(directory, args, path)
  }

  /** Both outputs, for the message of a failed assertion. */
  get everything(): string {
    return `${this.output}\n${this.errors}`
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  async exitCode(): Promise<number | null> {
    await this.#ended
    return this.#child.exitCode
  }

  /** Waits for something in its output. */
  async until(pattern: RegExp): Promise<void> {
    const signal = AbortSignal.timeout(patienceMs)
    while (!pattern.test(this.output)) {
      assert.equal(this.#child.exitCode, null, `ended before ${pattern}: ${this.everything}`)
      if (this.#child.stdout) await once(this.#child.stdout, 'data', { signal })
    }
  }

  /** The ids of all processes that have the temporary directory in arguments or environment. */
  async processes(): Promise<number[]> {
    const found: number[] = []
    for (const pid of await readdir('/proc')) {
      if (!/^\d+$/.test(pid)) continue
      const read = (name: string) => readFile(`/proc/${pid}/${name}`, 'latin1').catch(() => '')
      const texts = await Promise.all([read('cmdline'), read('environ')])
      if (texts.some((text) => text.includes(this.#directory))) found.push(Number(pid))
    }
    return found
  }

  /** No file, no process, no port. */
  async assertNothingLeft(): Promise<void> {
    assert.deepEqual(await readdir(join(this.#directory, 'tmp')), [])
    assert.deepEqual(await this.processes(), [])
    const origins = new Set(this.output.match(/http:\/\/127\.0\.0\.1:\d+/g))
    for (const origin of origins) await assert.rejects(fetch(origin), TypeError, origin)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // In vain when all went well.
    for (const pid of await this.processes()) process.kill(pid, 'SIGKILL')
    await this.#ended.catch(() => {})
    await rm(this.#directory, { recursive: true, force: true })
  }
}

/** Where a program is on this machine. */
async function find(program: string): Promise<string> {
  const { stdout } = await promisify(execFile)('bash', ['-c', 'type -P "$1"', 'bash', program])
  return stdout.trim()
}
