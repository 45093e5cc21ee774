/** A script whose supervising shell was started by an earlier process of ours. */
import { watch } from 'node:fs'
import type { FSWatcher } from 'node:fs'
import type { Exit } from '../domain/payload.ts'
import type { Log } from '../log.ts'
import type { Bounds } from './bounds/bounds.ts'
import { finish } from './bounds/finish.ts'
import type { PayloadBounds } from './bounds/payload-bounds.ts'
import type { Execution, Task } from './executor.ts'
import { endInside, isSandboxed, signalInside } from './isolation/inside.ts'
import { endLeftovers } from './leftovers.ts'
import { ageMs, findLeftovers, isSameProcess, readBootId, readStat, signal } from './processes.ts'
import type { ProcessIdentity } from './processes.ts'
import { readEnd, readExit, readScript, readStart } from './records.ts'
import { Termination } from './termination.ts'

/**
 * The exit record's appearance is an event; the death of a supervising shell that is not our child
 * is none, so it is looked for this often.
 */
const lookEveryMs = 1_000

/**
 * Takes back a script by its start record.
 *
 * @returns `undefined` if it was never started.
 */
export async function adopt(
  task: Task,
  killGraceMs: number,
  machine: Bounds,
  log: Log,
): Promise<Execution | undefined> {
  const record = readStart(task.paths.start)
  return record && new AdoptedExecution(task, record, machine.resume(task), killGraceMs, log)
}

class AdoptedExecution implements Execution {
  readonly pid: number
  readonly ended: Promise<Exit | 'lost'>
  readonly bounds: PayloadBounds
  readonly #task: Task
  readonly #record: ProcessIdentity
  readonly #termination: Termination
  readonly #log: Log

  constructor(
    task: Task,
    record: ProcessIdentity,
    bounds: PayloadBounds,
    killGraceMs: number,
    log: Log,
  ) {
    this.bounds = bounds
    this.#task = task
    this.#record = record
    this.#log = log
    this.pid = record.pid
    this.#termination = new Termination(killGraceMs, (name) => this.#signal(name), log)
    this.#termination.ready()
    this.ended = this.#finish()
  }

  async ranMs(): Promise<number | undefined> {
    if (this.#hasEnded()) return undefined
    // The shell is older: it was started ahead.
    const script = readScript(this.#task.paths.exit)
    const stat = script === undefined ? undefined : readStat(script)
    return ageMs(stat?.session === this.pid ? stat : this.#record)
  }

  kill(reason: string, isUrgent = false): void {
    this.#termination.begin(reason, isUrgent)
  }

  async #signal(name: NodeJS.Signals): Promise<boolean> {
    // What a script that ended by itself has left is not the script, and is ended in any case.
    if (this.#hasExit()) return false
    const { sandbox } = this.#task.paths
    if (isSandboxed(sandbox)) {
      if (await signalInside(sandbox, name, () => !this.#hasEnded())) return true
      // What is around the sandbox is not asked: it would end at once, and all that is inside.
      if (name !== 'SIGKILL') return false
    }
    const session = isSameProcess(this.#record) ? this.pid : null
    const pids = await findLeftovers(session, this.#task.paths.tmp)
    for (const pid of pids) signal(pid, name)
    return pids.length > 0
  }

  async #finish(): Promise<Exit | 'lost'> {
    await this.#waitForEnd()
    this.#termination.end()
    // After a restart of the machine its ids are others'.
    if (this.#record.bootId === readBootId()) {
      await endInside(this.#task.paths.sandbox, this.#log)
    }
    await endLeftovers(null, this.#task.paths.tmp, this.#log)
    await this.#termination.settled
    const { killReason } = this.#termination
    const record = readEnd(this.#task.paths)
    const exit = await finish(this.bounds, record, this.#log)
    if (exit) return { ...exit, killReason }
    if (killReason !== null) return { exitCode: null, cpuSeconds: null, killReason }
    return 'lost'
  }

  async #waitForEnd(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const look = () => {
      try {
        if (this.#hasEnded()) resolve()
      } catch (error) {
        reject(error)
      }
    }
    const watcher = this.#watch(look)
    const timer = setInterval(look, lookEveryMs)
    try {
      look()
      await promise
    } finally {
      clearInterval(timer)
      watcher?.close()
    }
  }

  /** A user has so and so many of these, and a script can take them all: then the timer has to do. */
  #watch(look: () => void): FSWatcher | undefined {
    try {
      return watch(this.#task.paths.directory, look).on('error', look)
    } catch (error) {
      this.#log.warn({ err: error }, 'a script that runs is looked at each second, not watched')
      return undefined
    }
  }

  #hasExit(): boolean {
    return readExit(this.#task.paths.exit) !== undefined
  }

  #hasEnded(): boolean {
    return this.#hasExit() || !isSameProcess(this.#record)
  }
}
