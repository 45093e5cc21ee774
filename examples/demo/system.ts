/** A server and a client in a directory of their own, of which nothing is left afterwards. */
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Program } from './program.ts'
import { endScripts } from './scripts.ts'

export type Addresses = { readonly client: string; readonly server: string }

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
    // A client that stops leaves its scripts running, for the next one to find: there will be none.
    await endScripts(this.#directory)
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
}
