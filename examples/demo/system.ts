/** A server and a client in a directory of their own, of which nothing is left afterwards. */
import { mkdtemp, readFile, readdir, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Program } from './program.ts'

export type Addresses = { readonly client: string; readonly server: string }

/** A killed process is gone in a moment. */
const goneMs = 5

export class DemoSystem implements AsyncDisposable {
  /** Called with each line that the server logs about a job. */
  onJobLine: (line: string) => void = () => {}
  readonly #directory: string
  readonly #programs: Program[] = []
  readonly #broken = new AbortController()

  private constructor(directory: string) {
    this.#directory = directory
  }

  static async create(): Promise<DemoSystem> {
    const parent = await realpath(tmpdir())
    return new DemoSystem(await mkdtemp(join(parent, 'job-orchestrator-demo-')))
  }

  /** Aborted when one of the two ends of itself. */
  get broken(): AbortSignal {
    return this.#broken.signal
  }

  /** Starts the client first: the server then finds it at once. */
  async start(signal: AbortSignal): Promise<Addresses> {
    const client = await this.#add('client', {}, signal)
    const settings = { SERVICE_EXAMPLE_UPLOAD_URL: `${client}/submit` }
    const server = await this.#add('server', settings, signal)
    return { client, server }
  }

  /** The last lines of both logs. */
  tails(): string[] {
    return this.#programs.flatMap(({ mode, tail }) => {
      return [`Last lines of the ${mode}:`, ...tail.map((line) => `  ${line}`)]
    })
  }

  /** Stops everything, and removes the directory. */
  async [Symbol.asyncDispose](): Promise<void> {
    // The server first, so that nothing new is sent.
    for (const program of this.#programs.toReversed()) await program.stop()
    await this.#endScripts()
    await rm(this.#directory, { recursive: true, force: true })
  }

  /** Returns the address where it listens. */
  async #add(
    mode: 'server' | 'client',
    settings: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<string> {
    signal.throwIfAborted()
    const program = new Program(mode, this.#directory, settings)
    this.#programs.push(program)
    if (mode === 'server') program.onJobLine = (line) => this.onJobLine(line)
    void program.ended.then(() => this.#broken.abort(new Error(`the ${mode} ended`)))
    const { promise, reject } = Promise.withResolvers<never>()
    const abandon = () => reject(signal.reason)
    signal.addEventListener('abort', abandon, { once: true })
    try {
      return await Promise.race([program.address, promise])
    } finally {
      signal.removeEventListener('abort', abandon)
    }
  }

  /**
   * A client that stops leaves its scripts running, for the next one to find. Here there will be no
   * next one. They are known by their private TMPDIR.
   */
  async #endScripts(): Promise<void> {
    for (;;) {
      const pids = await findScripts(join(this.#directory, 'client'))
      if (pids.length === 0) return
      for (const pid of pids) kill(pid)
      await delay(goneMs)
    }
  }
}

async function findScripts(directory: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const isScript = (entry: string) => entry.startsWith(`TMPDIR=${directory}/`)
  const found: number[] = []
  for (const pid of pids) {
    // Empty when the process has ended, unreadable when it is another user's.
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')
    if (environment.split('\0').some(isScript)) found.push(Number(pid))
  }
  return found
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}
