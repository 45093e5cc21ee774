import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import type { Launch } from '../isolation/isolation.ts'
import { supervisor, taskText } from '../supervisor.ts'

/** What a shell is told to do, and whom it tells how that goes. */
export type Assignment = {
  readonly directory: string
  readonly environment: Readonly<Record<string, string>>
  readonly launch: Launch | undefined
  /** See `supervisor`. */
  readonly bounds: string
  readonly onGroup: (group: number) => void
  readonly onExit: (exitCode: number | null) => void
}

/** A supervising shell, started before it is known for what; it ends when this process does. */
export class SupervisingShell {
  readonly #child: ChildProcess
  #assignment: Assignment | undefined
  #fault: Error | undefined

  /** @param common see `StartMessage`. */
  constructor(common: Readonly<Record<string, string>>) {
    this.#child = spawn('bash', ['-c', supervisor, 'job-orchestrator'], {
      cwd: '/',
      env: common,
      detached: true,
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    })
    this.#child.once('error', (error) => (this.#fault = error))
    this.#child.once('exit', (exitCode) => {
      this.#channel.destroy()
      this.#assignment?.onExit(exitCode)
    })
    // That nobody is there any more shows by its exit.
    this.#channel.on('error', () => {})
    this.#channel.once('data', (line: Buffer) => {
      this.#assignment?.onGroup(Number(line.toString('latin1').trim()))
    })
  }

  get #channel(): Socket {
    return this.#child.stdio[3] as Socket
  }

  /** It can be told what to do. */
  get isReady(): boolean {
    const { pid, exitCode, signalCode } = this.#child
    return pid !== undefined && exitCode === null && signalCode === null
  }

  /**
   * Has it start a script.
   *
   * @returns its process id.
   * @throws if it could not be started.
   */
  async begin(assignment: Assignment): Promise<number> {
    const { pid } = this.#child
    if (pid === undefined) {
      // Why, is told in the next turn.
      await new Promise(setImmediate)
      throw this.#fault ?? new Error('no process could be started')
    }
    this.#assignment = assignment
    const { directory, launch, environment, bounds } = assignment
    this.#channel.write(taskText(directory, launch, environment, bounds))
    return pid
  }
}
