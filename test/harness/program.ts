/** A real process of the program, and what it says. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { isAbsolute, join } from 'node:path'
import { createInterface } from 'node:readline'

/** One line of the program's log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string }

const root = join(import.meta.dirname, '..', '..')
const { JO = 'bin/job-orchestrator' } = process.env

/** The program under test; `JO` names another build of it. */
const underTest = isAbsolute(JO) ? JO : join(root, JO)

/** A condition that takes longer than this is not going to come true. */
const patienceMs = 30_000

type Waiter = { readonly matches: (line: LogLine) => boolean; resolve: (line: LogLine) => void }

export class Program implements AsyncDisposable {
  readonly child: ChildProcess
  readonly lines: LogLine[] = []
  /** What is no line of the log. */
  output = ''
  errors = ''
  readonly #waiters = new Set<Waiter>()
  readonly #ended: Promise<unknown>

  /**
   * Starts the program.
   *
   * @param environment the whole environment beside PATH.
   * @param options another executable; a command that becomes the program, such as `taskset -c 0`.
   */
  constructor(
    args: readonly string[],
    cwd: string,
    environment: Record<string, string> = {},
    {
      executable = underTest,
      through = [],
    }: { readonly executable?: string; readonly through?: readonly string[] } = {},
  ) {
    const PATH = process.env['PATH'] ?? ''
    const [command = executable, ...rest] = [...through, executable, ...args]
    this.child = spawn(command, rest, { cwd, env: { PATH, ...environment } })
    this.child.setMaxListeners(0) // a test may wait for many lines at once
    this.#ended = once(this.child, 'close')
    this.child.stderr?.on('data', (chunk: Buffer) => (this.errors += chunk.toString()))
    if (this.child.stdout) {
      createInterface({ input: this.child.stdout }).on('line', (line) => this.#hear(line))
    }
  }

  /** Process id. */
  get pid(): number {
    return this.child.pid ?? 0
  }

  /** Where it listens, when it is ready. */
  async address(): Promise<string> {
    await this.line(({ msg }) => msg === 'ready')
    const listening = this.lines.find((line) => typeof line['address'] === 'string')
    return String(listening?.['address'])
  }

  /** The first line of the log that matches, said already or to come. */
  async line(matches: (line: LogLine) => boolean, withinMs = patienceMs): Promise<LogLine> {
    const said = this.lines.find(matches)
    if (said) return said
    const { promise, resolve } = Promise.withResolvers<LogLine>()
    const waiter = { matches, resolve }
    this.#waiters.add(waiter)
    const gaveUp = Promise.withResolvers<never>()
    const fail = (why: string) => {
      gaveUp.reject(new Error(`${why}; waited for ${String(matches)}\n${this.said}`))
    }
    const timer = setTimeout(fail, withinMs, 'it never came')
    const onEnd = () => fail('the program ended')
    this.child.once('close', onEnd)
    try {
      return await Promise.race([promise, gaveUp.promise])
    } finally {
      clearTimeout(timer)
      this.child.off('close', onEnd)
      this.#waiters.delete(waiter)
    }
  }

  /** Everything it said, for the message of a failed test. */
  get said(): string {
    return [...this.lines.map((line) => JSON.stringify(line)), this.output, this.errors].join('\n')
  }

  /** Exit code or signal, when it has ended. */
  async exit(): Promise<number | NodeJS.Signals | null> {
    await this.#ended
    return this.child.exitCode ?? this.child.signalCode
  }

  /** Ends it, and resolves when it has. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals | null> {
    this.child.kill(signal)
    return this.exit()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) await this.stop('SIGKILL')
  }

  #hear(text: string): void {
    let line: LogLine
    try {
      line = JSON.parse(text) as LogLine
    } catch {
      this.output += `${text}\n`
      return
    }
    this.lines.push(line)
    for (const waiter of this.#waiters) if (waiter.matches(line)) waiter.resolve(line)
  }
}
