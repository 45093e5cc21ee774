/** A temporary directory, and the servers and clients of one test in it. */
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Bounds } from '../../src/executors/bounds/bounds.ts'
import { endScripts } from '../../examples/demo/scripts.ts'
import { Api } from './api.ts'
import { Program } from './program.ts'

type Settings = {
  /** Names a directory of its own; the same name takes the same data again. */
  readonly name?: string
  readonly args?: readonly string[]
  readonly env?: Record<string, string>
  /** A command that becomes the program, such as `taskset -c 0`. */
  readonly through?: readonly string[]
}

export type ServerSettings = Settings & {
  /** Addresses of the clients of each service. */
  readonly services: Record<string, readonly string[]>
  /** Its database, if it is not to be beside its directory. */
  readonly dbPath?: string
}

/** A server that is up, with its API. */
export type ServerUnderTest = { readonly program: Program; readonly api: Api }

export type ClientUnderTest = { readonly program: Program; readonly address: string }

/** ISOLATION of clients where a test does not say it. */
export const { JO_ISOLATION: usualIsolation = 'none' } = process.env

export class Lab implements AsyncDisposable {
  readonly directory: string
  readonly #programs: Program[] = []
  /** Where clients have their data, by which their cgroups are found. */
  readonly #clientData = new Set<string>()
  readonly #executable: string | undefined
  readonly #isolation: string

  private constructor(directory: string, isolation: string, executable?: string) {
    this.directory = directory
    this.#isolation = isolation
    this.#executable = executable
  }

  /**
   * @param executable the program, if it is another one than the one under test.
   * @param isolation what clients run under where nothing is said for one.
   */
  static async create(executable?: string, isolation = usualIsolation): Promise<Lab> {
    const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
    // Scripts that run as another user have to pass through.
    await chmod(directory, 0o711)
    return new Lab(directory, isolation, executable)
  }

  /** Starts a process of the program, with any arguments. */
  program(
    args: readonly string[],
    env: Record<string, string> = {},
    through: readonly string[] = [],
  ): Program {
    const executable = this.#executable
    const dataPath = args[0] === 'client' && args[1 + args.indexOf('--data-path')]
    if (typeof dataPath === 'string') this.#clientData.add(resolve(this.directory, dataPath))
    // Test machines may be nearly full.
    const environment = { MIN_FREE_SPACE: '0', ISOLATION: this.#isolation, ...env }
    const program = new Program(args, this.directory, environment, {
      through,
      ...(executable !== undefined && { executable }),
    })
    this.#programs.push(program)
    return program
  }

  async client(settings: Settings = {}): Promise<ClientUnderTest> {
    const { name = 'client', args = [], env = {}, through = [] } = settings
    const dataPath = join(this.directory, name)
    const program = this.program(
      ['client', '--port', '0', '--data-path', dataPath, '--kill-grace', '1s', ...args],
      env,
      through,
    )
    return { program, address: await program.address() }
  }

  async server(settings: ServerSettings): Promise<ServerUnderTest> {
    const { name = 'server', services, args = [], env = {}, through = [] } = settings
    const dataPath = join(this.directory, name)
    const { dbPath = `${dataPath}.sqlite` } = settings
    const urls = Object.entries(services).map(([service, addresses]) => [
      `SERVICE_${service.toUpperCase()}_UPLOAD_URL`,
      addresses.map((address) => `${address}/submit`).join(','),
    ])
    const flags = ['--data-path', dataPath, '--db-path', dbPath, '--kill-grace', '1s']
    const environment = { ...Object.fromEntries(urls), ...env }
    const program = this.program(['server', '--port', '0', ...flags, ...args], environment, through)
    return { program, api: new Api(await program.address(), program) }
  }

  /** A client and a server that has it as its service `example`. */
  async pair(
    server: Omit<ServerSettings, 'services'> = {},
    client: Settings = {},
  ): Promise<ServerUnderTest & { readonly client: ClientUnderTest }> {
    const started = await this.client(client)
    const up = await this.server({ ...server, services: { example: [started.address] } })
    return { ...up, client: started }
  }

  /** Ends every process, in the reverse order, and removes the directory. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#programs.toReversed()) await program[Symbol.asyncDispose]()
    await endScripts(this.directory)
    for (const dataPath of this.#clientData)
      await new Bounds(dataPath, true).removeLeft(() => false)
    await rm(this.directory, { recursive: true, force: true })
  }
}

/**
 * Waits for a condition that nobody tells of: a file, a process.
 *
 * @throws when it does not come true in time.
 */
export async function until(
  what: string,
  isTrue: () => boolean | Promise<boolean>,
  withinMs = 30_000,
): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await delay(5)
  }
}
