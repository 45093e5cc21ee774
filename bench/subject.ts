/** What is measured: real processes of the program, which log to files as operators have them do. */
import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Credentials } from '../test/harness/door.ts'
import { Trust, tokenArguments } from '../test/harness/trust.ts'

const root = join(import.meta.dirname, '..')

/** Which form of the program is measured, by the names of the table. */
export const builds = {
  executable: join(root, 'dist', 'job-orchestrator'),
  checkout: join(root, 'bin', 'job-orchestrator'),
} as const

export type Build = keyof typeof builds

/** Quotas that are in nobody's way, and disks that may be nearly full. */
const freely = {
  SERVICE_EXAMPLE_RUNS_PER_USER: '1000000',
  SERVICE_EXAMPLE_MAX_RUNS: '1000000',
  MIN_FREE_SPACE: '0',
}

/** It is ready sooner than this, with a million jobs too. */
const readyWithinMs = 60_000

/** One process of the program. */
export class Subject implements AsyncDisposable {
  readonly pid: number
  readonly address: string
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, address: string) {
    this.#child = child
    this.pid = child.pid ?? 0
    this.address = address
  }

  /** Starts one; resolves when it is ready. */
  static async start(
    build: Build,
    directory: string,
    name: string,
    args: readonly string[],
    environment: Readonly<Record<string, string>>,
  ): Promise<Subject> {
    const file = join(directory, `${name}.log`)
    await using log = await open(file, 'a')
    const PATH = process.env['PATH'] ?? ''
    const child = spawn(builds[build], args, {
      cwd: directory,
      env: { PATH, ...environment },
      stdio: ['ignore', log.fd, log.fd],
    })
    const deadline = performance.now() + readyWithinMs
    for (;;) {
      const text = await readFile(file, 'utf8')
      if (text.includes('"msg":"ready"')) {
        return new Subject(child, /"address":"([^"]+)"/.exec(text)?.[1] ?? '')
      }
      if (child.exitCode !== null || performance.now() > deadline) {
        child.kill('SIGKILL')
        throw new Error(`the ${name} is not ready:\n${text}`)
      }
      await delay(20)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    await ended
  }
}

/** A temporary directory with a server and its clients in it. */
export class Bed implements AsyncDisposable {
  readonly build: Build
  readonly directory: string
  readonly #stack: AsyncDisposableStack

  private constructor(build: Build, directory: string, stack: AsyncDisposableStack) {
    this.build = build
    this.directory = directory
    this.#stack = stack
  }

  static async create(build: Build): Promise<Bed> {
    const stack = new AsyncDisposableStack()
    const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-bench-'))
    // Scripts that are kept apart may have to pass through as other users.
    await chmod(directory, 0o711)
    // Scripts go on without their client, and may still write there.
    const patience = { maxRetries: 20, retryDelay: 50 }
    stack.defer(() => rm(directory, { recursive: true, force: true, ...patience }))
    return new Bed(build, directory, stack)
  }

  async client(
    args: readonly string[] = [],
    more: Readonly<Record<string, string>> = {},
  ): Promise<Subject> {
    const data = ['--port', '0', '--data-path', join(this.directory, 'client')]
    const environment = { MIN_FREE_SPACE: '0', ISOLATION: 'none', ...more }
    const command = ['client', ...data, ...args]
    return this.#use(
      await Subject.start(this.build, this.directory, 'client', command, environment),
    )
  }

  /**
   * @param clients addresses; its database is `server.sqlite`, its files are in `server/`.
   * @param environment of the service `example`, beside quotas that hold nobody up.
   */
  async server(
    clients: readonly string[],
    args: readonly string[] = [],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<Subject> {
    const data = ['--port', '0', '--data-path', join(this.directory, 'server')]
    const database = ['--db-path', join(this.directory, 'server.sqlite')]
    const urls = clients.map((address) => `${address}/submit`).join(',')
    return this.#use(
      await Subject.start(
        this.build,
        this.directory,
        'server',
        ['server', ...data, ...database, ...args],
        { ...freely, SERVICE_EXAMPLE_UPLOAD_URL: urls, ...environment },
      ),
    )
  }

  /** A client, and a server that has it. */
  async pair(
    args: readonly string[] = [],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly server: Subject; readonly client: Subject }> {
    const client = await this.client(args)
    return { client, server: await this.server([client.address], args, environment) }
  }

  /** The same with tokens, a cluster secret, and TLS both ways. */
  async trustingPair(): Promise<{ readonly server: Subject; readonly credentials: Credentials }> {
    const make = tokenArguments(join(this.directory, 'server.sqlite'))
    const { stdout } = await promisify(execFile)(builds[this.build], make)
    const { env, credentials } = await Trust.create(this.directory, stdout.trimEnd())
    const client = await this.client([], env)
    return { server: await this.server([client.address], [], env), credentials }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }

  #use(subject: Subject): Subject {
    return this.#stack.use(subject)
  }
}
