/** Runs `bash run.sh` under a supervising shell, in a session and a process group of its own. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { OutputFile } from './output-file.ts'
import type { Readable } from 'node:stream'
import { crashPoint } from '../crash-points.ts'
import type { Exit } from '../domain/payload.ts'
import type { Log } from '../log.ts'
import { adopt } from './adopted.ts'
import type { Execution, Executor, Task } from './executor.ts'
import { ageMs, findLeftovers, idsStillRiseFrom, readStat, signal } from './processes.ts'
import { readExit, takeStart } from './records.ts'
import { alreadyStarted, noRecords, supervisor } from './supervisor.ts'
import { endLeftovers } from './leftovers.ts'
import { Termination } from './termination.ts'

/** In so short a time process ids cannot go all the way round. */
const youngMs = 1_000

/** @param killGraceMs from SIGTERM to SIGKILL. */
export function bashExecutor(killGraceMs: number, log: Log): Executor {
  return {
    start: (task) => start(task, killGraceMs, log),
    prevent: async ({ paths }) => takeStart(paths.start),
    adopt: (task) => adopt(task, killGraceMs, log),
  }
}

async function start(task: Task, killGraceMs: number, log: Log): Promise<Execution> {
  const { paths, environment } = task
  using stdout = OutputFile.open(paths.stdout)
  using stderr = OutputFile.open(paths.stderr)
  const child = spawn('bash', ['-c', supervisor, 'job-orchestrator', paths.directory], {
    cwd: paths.work,
    env: environment,
    detached: true,
    stdio: ['ignore', stdout.descriptor, stderr.descriptor, 'pipe'],
  })
  crashPoint('run: spawning')
  const exited = once(child, 'exit')
  exited.catch(() => {}) // it rejects together with `spawn`, which is awaited
  await once(child, 'spawn')
  crashPoint('run: spawned')
  return new BashExecution(task, child, exited, killGraceMs, log)
}

class BashExecution implements Execution {
  readonly pid: number
  readonly ended: Promise<Exit | 'lost'>
  readonly #task: Task
  readonly #log: Log
  readonly #killGraceMs: number
  readonly #termination: Termination
  /** By the monotonic clock. */
  readonly #spawnedAt = performance.now()
  #hasEnded = false
  /** The script's process group, once the supervising shell has said it. */
  #group: number | undefined
  /** Stands in when another supervising shell turns out to have started the script. */
  #other: Execution | undefined

  constructor(
    task: Task,
    child: ChildProcess,
    exited: Promise<unknown>,
    killGraceMs: number,
    log: Log,
  ) {
    this.#task = task
    this.#log = log
    this.#killGraceMs = killGraceMs
    this.pid = child.pid ?? 0
    this.#termination = new Termination(killGraceMs, (name) => this.#signal(name), log)
    const channel = child.stdio[3] as Readable
    channel.once('data', (line: Buffer) => {
      this.#group = Number(line.toString('latin1').trim())
      this.#termination.ready()
    })
    channel.resume()
    this.ended = this.#finish(child, exited)
  }

  async ranMs(): Promise<number | undefined> {
    if (this.#other) return this.#other.ranMs()
    // Without /proc, what this process has seen of it has to do.
    const stat = readStat(this.pid)
    const ranMs = stat ? ageMs(stat) : performance.now() - this.#spawnedAt
    return this.#hasEnded ? undefined : ranMs
  }

  kill(reason: string): void {
    if (this.#other) this.#other.kill(reason)
    else this.#termination.begin(reason)
  }

  /** Its group, and, in the end or when it has left that, whatever is its own. */
  async #signal(name: NodeJS.Signals): Promise<boolean> {
    const reached = this.#group !== undefined && signal(-this.#group, name)
    if (reached && name !== 'SIGKILL') return true
    const pids = await findLeftovers(this.pid, this.#task.paths.tmp)
    return pids.map((pid) => signal(pid, name)).includes(true) || reached
  }

  async #finish(child: ChildProcess, exited: Promise<unknown>): Promise<Exit | 'lost'> {
    await exited
    this.#termination.end()
    // Of a script that another one started nothing is left over: it runs.
    if (child.exitCode !== alreadyStarted) {
      this.#hasEnded = true
      await this.#endLeftovers(performance.now() - this.#spawnedAt)
    }
    child.stdio[3]?.destroy()
    const { killReason } = this.#termination
    const record = readExit(this.#task.paths.exit)
    if (record) return { ...record, killReason }
    if (child.exitCode === alreadyStarted) return this.#followOther()
    if (killReason !== null || child.exitCode === noRecords) {
      return { exitCode: null, cpuSeconds: null, killReason }
    }
    return 'lost'
  }

  /** To look at every process costs too much for a short script. */
  async #endLeftovers(ranMs: number): Promise<void> {
    if (this.#group !== undefined) signal(-this.#group, 'SIGKILL')
    const above = ranMs < youngMs && idsStillRiseFrom(this.pid) ? this.pid : 0
    await endLeftovers(this.pid, this.#task.paths.tmp, this.#log, above)
  }

  /** An earlier process of ours started the script and died before it could say so. */
  async #followOther(): Promise<Exit | 'lost'> {
    this.#other = await adopt(this.#task, this.#killGraceMs, this.#log)
    if (!this.#other) return { exitCode: null, cpuSeconds: null, killReason: null }
    const { wanted } = this.#termination
    if (wanted !== null) this.#other.kill(wanted)
    return this.#other.ended
  }
}
