/** A server and its clients in a directory of their own, of which nothing is left afterwards. */
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Program } from './program.ts'
import { endScripts } from './scripts.ts'

/** Where the server listens, and each client, by its name. */
export type Addresses = { readonly server: string; readonly clients: ReadonlyMap<string, string> }

const clientNames = ['client A', 'client B'] as const

/** Those of scripts that we end would stay. */
const withoutCgroups = { CGROUPS: 'none' }

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

  /** Aborted when one of them ends of itself. */
  get broken(): AbortSignal {
    return this.#broken.signal
  }

  /** Starts the clients first: the server then finds them at once. */
  async start(signal: AbortSignal): Promise<Addresses> {
    const started = clientNames.map(async (name) => {
      return [name, await this.#add('client', name, withoutCgroups, signal)] as const
    })
    const clients = new Map(await Promise.all(started))
    const urls = [...clients.values()].map((address) => `${address}/submit`)
    const settings = { SERVICE_EXAMPLE_UPLOAD_URL: urls.join(',') }
    const server = await this.#add('server', 'server', settings, signal)
    return { server, clients }
  }

  /** The last lines of all logs. */
  tails(): string[] {
    return this.#programs.flatMap(({ name, tail }) => {
      return [`Last lines of ${name}:`, ...tail.map((line) => `  ${line}`)]
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
    name: string,
    settings: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<string> {
    signal.throwIfAborted()
    const program = new Program(mode, name, this.#directory, settings)
    this.#programs.push(program)
    if (mode === 'server') program.onJobLine = (line) => this.onJobLine(line)
    void program.ended.then(() => this.#broken.abort(new Error(`the ${name} ended`)))
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
