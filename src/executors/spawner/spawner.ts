/** The client's side of its spawner. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Log } from '../../log.ts'
import { ownArguments } from '../../self.ts'
import type { Task } from '../executor.ts'
import type { Launch } from '../isolation/isolation.ts'
import { spawnerCommand } from './messages.ts'
import type { Report, StartMessage } from './messages.ts'

/** A supervising shell that was started. */
export type Shell = {
  readonly pid: number
  /** It was there before, and may have been gone when it was to start the script. */
  readonly wasAhead: boolean
  /** Process group of its script, when it has started that; may never be known. */
  readonly group: Promise<number>
  /** Its exit code, `null` if a signal ended it; `unknown` if whoever would tell us is gone. */
  readonly exited: Promise<number | null | 'unknown'>
}

class Starting {
  readonly spawned = Promise.withResolvers<Pick<Shell, 'pid' | 'wasAhead'>>()
  readonly group = Promise.withResolvers<number>()
  readonly exited = Promise.withResolvers<number | null | 'unknown'>()
}

export class Spawner implements AsyncDisposable {
  readonly #log: Log
  readonly #shells = new Map<number, Starting>()
  #child: ChildProcess | undefined
  #lastId = 0

  constructor(log: Log) {
    this.#log = log
    this.#begin()
  }

  /**
   * Starts the supervising shell of a payload.
   *
   * @param launch how its script is kept apart; `undefined`: it is not.
   * @param bounds what bounds its script; see `supervisor`.
   * @throws when no process can be started. If the spawner ends meanwhile it is not known whether
   *   one was: there is a shell then that has ended, as far as is known.
   */
  async start(
    { paths, common, own }: Task,
    launch: Launch | undefined,
    bounds: string,
  ): Promise<Shell> {
    const { directory, stdout, stderr } = paths
    const id = ++this.#lastId
    const starting = new Starting()
    this.#shells.set(id, starting)
    const message: StartMessage = { id, directory, stdout, stderr, common, own, launch, bounds }
    const child = this.#child ?? this.#begin()
    child.send(message, (error) => {
      if (error) this.#lose(id)
    })
    const { pid, wasAhead } = await starting.spawned.promise
    return { pid, wasAhead, group: starting.group.promise, exited: starting.exited.promise }
  }

  /** Ends it; the shells go on, and nobody is told of their ends any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child
    if (!child) return
    this.#shells.clear()
    if (child.connected) child.disconnect()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }

  #begin(): ChildProcess {
    const child = spawn(process.execPath, [...ownArguments(), spawnerCommand], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#child = child
    child.on('message', (report: Report) => this.#hear(report))
    child.once('error', (error) => {
      this.#log.error({ err: error }, 'the spawner cannot be started')
      this.#end(child)
    })
    // What it has sent before is heard first.
    child.once('disconnect', () => this.#end(child))
    child.once('exit', () => this.#end(child))
    return child
  }

  #hear(report: Report): void {
    const shell = this.#shells.get(report.id)
    if (!shell) return
    switch (report.is) {
      case 'spawned':
        return shell.spawned.resolve(report)
      case 'failed':
        this.#shells.delete(report.id)
        return shell.spawned.reject(Object.assign(new Error(report.message), { code: report.code }))
      case 'group':
        return shell.group.resolve(report.group)
      case 'exited':
        this.#shells.delete(report.id)
        return shell.exited.resolve(report.exitCode)
    }
  }

  /** The shells that it has started may go on; the next one that is to be started makes another. */
  #end(child: ChildProcess): void {
    if (this.#child !== child) return
    this.#child = undefined
    if (this.#shells.size > 0) {
      this.#log.error(`the spawner has ended: ${this.#shells.size} scripts are followed otherwise`)
    }
    for (const id of this.#shells.keys()) this.#lose(id)
  }

  #lose(id: number): void {
    const shell = this.#shells.get(id)
    this.#shells.delete(id)
    // No process has this id: nobody can be signalled by mistake.
    shell?.spawned.resolve({ pid: 0, wasAhead: false })
    shell?.exited.resolve('unknown')
  }
}
