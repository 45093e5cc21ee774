/** What a process says to the system, in order, as strace(1) sees it. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import type { Program } from './program.ts'

/** One call: when it was made, or, for a flush, when it was done, for only then it counts. */
export type Syscall = {
  readonly name: string
  /** The file of the descriptor, or the new name of a renamed one. */
  readonly path: string
  /** All of the line. */
  readonly text: string
}

const steps = ['fsync', 'fdatasync', 'rename', 'renameat', 'renameat2', 'write', 'writev']
const flushes = new Set(['fsync', 'fdatasync'])

export class Syscalls implements AsyncDisposable {
  readonly #strace: ChildProcess
  readonly #ended: Promise<unknown>
  readonly #file: string

  private constructor(strace: ChildProcess, ended: Promise<unknown>, file: string) {
    this.#strace = strace
    this.#ended = ended
    this.#file = file
  }

  /**
   * Begins to watch a process.
   *
   * @param file is written by strace.
   * @param watched the calls that are told.
   * @throws when it cannot be traced.
   */
  static async of(
    { pid }: Pick<Program, 'pid'>,
    file: string,
    watched: readonly string[] = steps,
  ): Promise<Syscalls> {
    const what = ['-f', '-y', '-s', '400', '-e', `trace=${watched.join()}`, '-e', 'signal=none']
    const strace = spawn('strace', [...what, '-p', String(pid), '-o', file], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const ended = once(strace, 'close')
    const attached = Promise.withResolvers<void>()
    createInterface({ input: strace.stderr }).on('line', (line) => {
      if (/ attached/.test(line)) attached.resolve()
      else attached.reject(new Error(line))
    })
    strace.once('error', attached.reject)
    const syscalls = new Syscalls(strace, ended, file)
    try {
      await attached.promise
      return syscalls
    } catch (error) {
      await syscalls[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Watches no more, and tells what there was. */
  async stop(): Promise<Syscall[]> {
    await this[Symbol.asyncDispose]()
    return parse(await readFile(this.#file, 'utf8'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#strace.kill('SIGTERM')
    await this.#ended
  }
}

/** A call that another thread comes between is two lines: `... <unfinished ...>`, `<... resumed>`. */
function parse(trace: string): Syscall[] {
  const calls: Syscall[] = []
  const unfinished = new Map<string, Syscall>()
  for (const line of trace.split('\n')) {
    const [, thread = '', text = ''] = /^(\d+) +(.*)$/.exec(line) ?? []
    const resumed = /^<\.\.\. \w+ resumed>/.test(text)
    const call = resumed ? unfinished.get(thread) : toCall(text)
    if (!call) continue
    if (resumed) unfinished.delete(thread)
    const isOpen = text.endsWith('<unfinished ...>')
    if (isOpen) unfinished.set(thread, call)
    const counts = flushes.has(call.name) ? /\) += 0$/.test(text) : !resumed
    if (counts) calls.push(call)
  }
  return calls
}

function toCall(text: string): Syscall | undefined {
  const name = /^(\w+)\(/.exec(text)?.[1]
  if (name === undefined) return undefined
  const path = name.startsWith('rename')
    ? /"([^"]*)"[^"]*$/.exec(text)?.[1]
    : /^\w+\(\d+<([^>]*)>/.exec(text)?.[1]
  return { name, path: path ?? '', text }
}
