/** One of the two programs, as a process of its own. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
const tailLines = 15
/** It gives requests 10 s to finish when it stops; then it is made to. */
const stopMs = 15_000

type LogLine = { readonly msg?: string; readonly address?: string; readonly job?: number }

export class Program {
  /** What it is called here, and its directory. */
  readonly name: string
  /** Where it listens; rejects when it ends before. */
  readonly address: Promise<string>
  /** Settles when it has ended, whatever the reason. */
  readonly ended: Promise<unknown>
  /** Called with what it logs about jobs. */
  onJobLine: (text: string) => void = () => {}
  readonly #child: ChildProcess
  readonly #tail: string[] = []

  /**
   * Starts it on a free port, with its files in `directory`.
   *
   * @param name of its own among those that share the directory.
   * @param settings more environment variables for it.
   */
  constructor(
    mode: 'server' | 'client',
    name: string,
    directory: string,
    settings: Readonly<Record<string, string>> = {},
  ) {
    this.name = name
    const files = ['--data-path', join(directory, name)]
    if (mode === 'server') files.push('--db-path', join(directory, 'db.sqlite'))
    // Nothing but these: settings in the user's environment must not change the demo. And a group
    // of its own: Ctrl-C is for the demo, which then stops both in the right order.
    this.#child = spawn(process.execPath, [main, mode, '--port', '0', ...files], {
      cwd: directory,
      // A demonstration takes no room worth mentioning.
      env: { PATH: process.env['PATH'], MIN_FREE_SPACE: '0', ...settings },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.ended = once(this.#child, 'close').catch(() => {})
    this.address = this.#readAddress()
    this.address.catch(() => {}) // it may fail while something else is awaited
  }

  /** The last lines that it wrote. */
  get tail(): readonly string[] {
    return this.#tail
  }

  /** Ends it, and returns when it is gone. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    const insist = setTimeout(() => this.#child.kill('SIGKILL'), stopMs)
    await this.ended
    clearTimeout(insist)
  }

  #readAddress(): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const { stdout, stderr } = this.#child
    if (stdout) createInterface(stdout).on('line', (line) => this.#take(line, resolve))
    if (stderr) createInterface(stderr).on('line', (line) => this.#keep(line))
    this.#child.once('error', reject)
    void this.ended.then(() => reject(new Error(`the ${this.name} ended`)))
    return promise
  }

  /** One line of its log, which is JSON when it is not written to a terminal. */
  #take(line: string, onAddress: (address: string) => void): void {
    let entry: LogLine
    try {
      entry = JSON.parse(line) as LogLine
    } catch {
      return this.#keep(line)
    }
    const text = entry.msg ?? line
    this.#keep(text)
    if (entry.address !== undefined) onAddress(entry.address)
    if (entry.job !== undefined) this.onJobLine(text)
  }

  #keep(text: string): void {
    this.#tail.push(text)
    if (this.#tail.length > tailLines) this.#tail.shift()
  }
}
