/** Runs `bash run.sh`, in a sandbox or without, under a supervising shell, in a session and a process group of its own. */
import { existsSync } from 'node:fs'
import { crashPoint } from '../crash-points.ts'
import type { Exit } from '../domain/payload.ts'
import type { Log } from '../log.ts'
import { adopt } from './adopted.ts'
import type { Bounds } from './bounds/bounds.ts'
import { finish } from './bounds/finish.ts'
import type { PayloadBounds } from './bounds/payload-bounds.ts'
import type { Execution, Executor, Task } from './executor.ts'
import { ageMs, findLeftovers, idsStillRiseFrom, readStat, signal } from './processes.ts'
import { endInside, isSandboxed, signalInside } from './isolation/inside.ts'
import { launchOf } from './isolation/isolation.ts'
import type { Isolation } from './isolation/isolation.ts'
import { readEnd, takeStart } from './records.ts'
import { Sessions } from './sessions.ts'
import { Spawner } from './spawner/spawner.ts'
import type { Shell } from './spawner/spawner.ts'
import { alreadyStarted, noRecords } from './supervisor.ts'
import { endLeftovers } from './leftovers.ts'
import { Termination } from './termination.ts'

/** In so short a time process ids cannot go all the way round. */
const youngMs = 1_000

/** Bubblewrap, and the first process inside. */
const sandboxProcesses = 2

/** What executions of one executor share. */
type Shared = {
  readonly start: Executor['start']
  readonly sessions: Sessions
  readonly killGraceMs: number
  readonly machine: Bounds
  readonly log: Log
}

/**
 * @param killGraceMs from SIGTERM to SIGKILL.
 * @param machine what bounds scripts here.
 */
export function bashExecutor(
  killGraceMs: number,
  isolation: Isolation,
  machine: Bounds,
  log: Log,
): Executor & AsyncDisposable {
  const spawner = new Spawner(log)
  const start = async (task: Task): Promise<Execution> => {
    const launch = await launchOf(isolation, task)
    const { bounds, text } = machine.begin(task, launch === undefined ? 0 : sandboxProcesses)
    crashPoint('run: bounded')
    const starting = spawner.start(task, launch, text)
    crashPoint('run: spawning')
    try {
      const shell = await starting
      crashPoint('run: spawned')
      return new BashExecution(task, bounds, shell, shared)
    } catch (error) {
      await bounds.end()
      throw error
    }
  }
  const shared: Shared = { start, sessions: new Sessions(), killGraceMs, machine, log }
  return {
    start,
    async prevent(task) {
      const isPrevented = takeStart(task.paths.start)
      if (isPrevented) await machine.resume(task).end()
      return isPrevented
    },
    adopt: (task) => adopt(task, killGraceMs, machine, log),
    [Symbol.asyncDispose]: () => spawner[Symbol.asyncDispose](),
  }
}

class BashExecution implements Execution {
  readonly pid: number
  readonly ended: Promise<Exit | 'lost'>
  readonly #bounds: PayloadBounds
  readonly #task: Task
  readonly #shared: Shared
  readonly #log: Log
  readonly #termination: Termination
  readonly #leaveSession: (() => void)[] = []
  /** By the monotonic clock. */
  readonly #spawnedAt = performance.now()
  #hasEnded = false
  /** The script's process group, once the supervising shell has said it. */
  #group: number | undefined
  /** Stands in when another supervising shell turns out to have started the script, or has to. */
  #other: Execution | undefined

  constructor(task: Task, bounds: PayloadBounds, shell: Shell, shared: Shared) {
    this.#task = task
    this.#bounds = bounds
    this.#shared = shared
    this.#log = shared.log
    this.pid = shell.pid
    this.#termination = new Termination(
      shared.killGraceMs,
      (name) => this.#signal(name),
      shared.log,
    )
    this.#leaveSession.push(shared.sessions.begin(shell.pid))
    void this.#learnGroup(shell)
    this.ended = this.#finish(shell)
  }

  async ranMs(): Promise<number | undefined> {
    if (this.#other) return this.#other.ranMs()
    // Without /proc, what this process has seen of it has to do.
    const stat = this.#group === undefined ? undefined : readStat(this.#group)
    const ranMs = stat ? ageMs(stat) : performance.now() - this.#spawnedAt
    return this.#hasEnded ? undefined : ranMs
  }

  kill(reason: string, isUrgent = false): void {
    if (this.#other) this.#other.kill(reason, isUrgent)
    else this.#termination.begin(reason, isUrgent)
  }

  get bounds(): PayloadBounds {
    return this.#other?.bounds ?? this.#bounds
  }

  async #learnGroup({ group }: Shell): Promise<void> {
    this.#group = await group
    if (!this.#hasEnded) this.#leaveSession.push(this.#shared.sessions.begin(this.#group))
    this.#termination.ready()
  }

  /** Its group, and, in the end or when it has left that, whatever is its own. */
  async #signal(name: NodeJS.Signals): Promise<boolean> {
    const { sandbox } = this.#task.paths
    if (isSandboxed(sandbox)) {
      if (await signalInside(sandbox, name, () => !this.#hasEnded)) return true
      // One that is not there yet is not asked.
      if (name !== 'SIGKILL') return false
    }
    const reached = this.#group !== undefined && signal(-this.#group, name)
    if (reached && name !== 'SIGKILL') return true
    // Where the spawner did not live to tell the id, the private TMPDIR has to do.
    const session = this.pid === 0 ? null : this.pid
    const pids = await findLeftovers(session, this.#task.paths.tmp)
    return pids.map((pid) => signal(pid, name)).includes(true) || reached
  }

  async #finish(shell: Shell): Promise<Exit | 'lost'> {
    const exitCode = await shell.exited
    this.#termination.end()
    for (const leave of this.#leaveSession) leave()
    if (exitCode === 'unknown') return this.#followOther('lost')
    // Of a script that another one started nothing is left over: it runs.
    if (exitCode !== alreadyStarted) {
      this.#hasEnded = true
      await this.#endLeftovers(performance.now() - this.#spawnedAt)
      await this.#termination.settled
    }
    const { killReason } = this.#termination
    const record = readEnd(this.#task.paths)
    if (exitCode !== alreadyStarted) {
      const exit = await finish(this.#bounds, record, this.#log)
      if (exit) return { ...exit, killReason }
    }
    const notRun = { exitCode: null, cpuSeconds: null, killReason }
    if (exitCode === alreadyStarted) return this.#followOther(notRun)
    if (shell.wasAhead && this.#group === undefined && !existsSync(this.#task.paths.start)) {
      this.#log.warn(`supervising shell ${this.pid} was gone before it had a script: another one`)
      return this.#follow(await this.#shared.start(this.#task))
    }
    return killReason !== null || exitCode === noRecords ? notRun : 'lost'
  }

  /** To look at every process costs too much for a short script. */
  async #endLeftovers(ranMs: number): Promise<void> {
    if (this.#group !== undefined) signal(-this.#group, 'SIGKILL')
    await endInside(this.#task.paths.sandbox, this.#log)
    const script = this.#group
    const above = script !== undefined && ranMs < youngMs && idsStillRiseFrom(script) ? script : 0
    const { sessions } = this.#shared
    await endLeftovers(this.pid, this.#task.paths.tmp, this.#log, above, sessions)
  }

  /**
   * Another shell has started the script, or ours has, and nobody tells of it.
   *
   * @param otherwise what it means if none has; none will, then.
   */
  async #followOther(otherwise: Exit | 'lost'): Promise<Exit | 'lost'> {
    try {
      takeStart(this.#task.paths.start)
    } catch (error) {
      this.#log.warn({ err: error }, 'it cannot be noted that a script is not to be started')
    }
    const other = await adopt(this.#task, this.#shared.killGraceMs, this.#shared.machine, this.#log)
    return other ? this.#follow(other) : otherwise
  }

  #follow(other: Execution): Promise<Exit | 'lost'> {
    this.#other = other
    const { wanted } = this.#termination
    if (wanted !== null) other.kill(wanted)
    return other.ended
  }
}
