/** A server or a client that is killed, stopped and started again, on the same port and data. */
import type { Lab } from '../harness/lab.ts'
import type { LogLine, Program } from '../harness/program.ts'

export class Daemon {
  readonly name: string
  readonly #lab: Lab
  readonly #command: () => {
    readonly args: readonly string[]
    readonly env: Record<string, string>
  }
  readonly #programs: Program[] = []
  /** What is being done with it; one thing after the other. */
  #busy: Promise<void> = Promise.resolve()

  /** @param command arguments and environment of each start. */
  constructor(
    lab: Lab,
    name: string,
    command: () => { readonly args: readonly string[]; readonly env: Record<string, string> },
  ) {
    this.#lab = lab
    this.name = name
    this.#command = command
  }

  get #program(): Program | undefined {
    return this.#programs.at(-1)
  }

  /** Its log lines about a job, of all its lives. */
  linesAbout(job: number): LogLine[] {
    return this.#programs.flatMap(({ lines }) => lines.filter((line) => line['job'] === job))
  }

  /** Its errors, in every life. */
  get unforeseen(): string[] {
    return this.#programs.flatMap(({ lines, errors }) => [
      ...lines.filter(({ level }) => Number(level) >= 50).map((line) => JSON.stringify(line)),
      ...errors.split('\n').filter(Boolean),
    ])
  }

  /** Starts it, and resolves when it is ready. */
  async start(): Promise<void> {
    const { args, env } = this.#command()
    const program = this.#lab.program(args, env)
    this.#programs.push(program)
    await program.address()
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#program?.child.kill(name)
  }

  /** Kills it, and starts it again after a pause; one such after the other. */
  async killAndRestart(pause: () => Promise<void>): Promise<void> {
    const before = this.#busy
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#busy = promise
    await before
    try {
      await this.#program?.stop('SIGKILL')
      await pause()
      await this.start()
    } finally {
      resolve()
    }
  }

  /** Resolves when it is up. */
  async settled(): Promise<void> {
    await this.#busy
  }
}
