/** Meddling with the system calls of a running process. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { ensureCommand } from './debian.ts'
import type { Program } from './program.ts'

export class Injection implements AsyncDisposable {
  readonly #strace: ChildProcess
  readonly #lines: string[] = []
  readonly #first = Promise.withResolvers<void>()
  readonly #ended: Promise<unknown>

  private constructor(strace: ChildProcess) {
    this.#strace = strace
    this.#ended = once(strace, 'close')
  }

  /**
   * Begins to meddle with all threads of a process.
   *
   * @param what `error=EIO`, `signal=SIGKILL`, or `delay_enter=` and microseconds; see strace(1).
   * @param calls system calls, separated by commas.
   * @param paths only calls on one of these; without any, all of them.
   * @returns when it is being watched, or why it cannot be.
   */
  static async begin(
    { pid }: Program,
    what: string,
    calls: string,
    paths: readonly string[] = [],
  ): Promise<Injection | string> {
    const missing = await ensureCommand('strace')
    if (missing !== undefined) return missing
    const which = paths.flatMap((path) => ['-P', path])
    const inject = ['-e', `trace=${calls}`, '-e', `inject=${calls}:${what}`]
    const strace = spawn('strace', ['-f', '-p', String(pid), ...which, ...inject], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const injection = new Injection(strace)
    const trouble = await injection.#attached()
    return trouble === undefined ? injection : `a process cannot be traced here: ${trouble}`
  }

  /** Resolves when a call has been meddled with. */
  async met(): Promise<void> {
    await this.#first.promise
  }

  /** So many calls have been meddled with. */
  get count(): number {
    return this.#lines.filter((line) => line.includes('(INJECTED)')).length
  }

  /** Lets the process alone. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#strace.kill()
    await this.#ended
  }

  #attached(): Promise<string | undefined> {
    const { promise, resolve } = Promise.withResolvers<string | undefined>()
    if (this.#strace.stderr) {
      createInterface({ input: this.#strace.stderr }).on('line', (line) => {
        this.#lines.push(line)
        if (line.includes('(INJECTED)')) this.#first.resolve()
        if (/ attached/.test(line)) resolve(undefined)
      })
    }
    this.#strace.once('error', (error) => resolve(error.message))
    void this.#ended.then(
      () => resolve(`strace ended: ${this.#lines.join('; ')}`),
      () => {}, // told by `error`
    )
    return promise
  }
}

/**
 * Meddles with a process as it makes a system call on a path, until the process ends.
 *
 * @param what see `Injection.begin`.
 * @returns `undefined` when it is being watched, or why it cannot be.
 */
export async function meddle(
  program: Program,
  what: string,
  call: string,
  path: string,
): Promise<string | undefined> {
  const injection = await Injection.begin(program, what, call, [path])
  return typeof injection === 'string' ? injection : undefined
}

/** Every call on files comes from one thread then, for strace counts by threads. */
export const oneThread = { UV_THREADPOOL_SIZE: '1' }

/**
 * A command that ends the program by SIGKILL as it makes a system call for the nth time.
 *
 * @param more arguments of strace, such as `-P` and a path.
 */
export function killAt(call: string, nth: number, ...more: string[]): string[] {
  const inject = `inject=${call}:signal=SIGKILL:when=${nth}`
  return ['strace', '-f', '-qq', '-o', '/dev/null', '-e', `trace=${call}`, ...more, '-e', inject]
}
