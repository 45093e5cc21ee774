/** A server and its client that keep their ports, so that either may die and come back. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { crashVariable, underTestVariable } from '../../src/crash-points.ts'
import type { Directories } from './at-rest.ts'
import { doorTo } from './door.ts'
import type { Door } from './door.ts'
import type { Lab } from './lab.ts'
import { freePort } from './port.ts'
import type { Program } from './program.ts'
import { trustIn } from './trust.ts'
import type { Trust } from './trust.ts'

/** `second`: another client of the same server, where a test wants it. */
const sides = ['server', 'client', 'second'] as const

export type Side = (typeof sides)[number]

type Environment = Readonly<Record<string, string>>

/** Of one start of a program. */
export type Start = {
  /** Where it is to die: `NAME` or `NAME@N`. */
  readonly crashAt?: string | undefined
  readonly env?: Environment | undefined
}

/** One that is to die has so long for it. */
const patienceMs = 60_000

export class Pair {
  readonly addresses: Readonly<Record<Side, string>>
  readonly directories: Directories
  /** As applications come in at the server. */
  readonly door: Door
  readonly #lab: Lab
  readonly #trust: Trust | undefined
  readonly #env: Environment
  readonly #programs: Readonly<Record<Side, Program[]>> = { server: [], client: [], second: [] }

  private constructor(
    lab: Lab,
    ports: Readonly<Record<Side, number>>,
    env: Environment,
    of: number,
    trust: Trust | undefined,
  ) {
    const addressOf = (port: number) => `http${trust ? 's' : ''}://127.0.0.1:${port}`
    const clients = (['client', 'second'] as const).slice(0, of)
    const urls = clients.map((side) => `${addressOf(ports[side])}/submit`)
    const dataPath = join(lab.directory, 'server')
    this.#lab = lab
    this.#trust = trust
    this.#env = { SERVICE_EXAMPLE_UPLOAD_URL: urls.join(','), ...env, ...trust?.env }
    this.addresses = {
      server: addressOf(ports.server),
      client: addressOf(ports.client),
      second: addressOf(ports.second),
    }
    this.door = trust?.door(this.addresses.server) ?? doorTo(this.addresses.server)
    this.directories = {
      server: { dataPath, dbPath: `${dataPath}.sqlite` },
      clients: clients.map((side) => join(lab.directory, side)),
    }
  }

  /**
   * Programs that are not started yet.
   *
   * @param env of all of them, whenever they are started.
   * @param isTrusting whether all that protects both sides is on.
   */
  static async create(
    lab: Lab,
    env: Environment,
    clients: 1 | 2 = 1,
    isTrusting = false,
  ): Promise<Pair> {
    const dbPath = join(lab.directory, 'server.sqlite')
    const trust = isTrusting ? await trustIn(lab, dbPath, env) : undefined
    const [server, client, second] = [await freePort(), await freePort(), await freePort()]
    return new Pair(lab, { server, client, second }, env, clients, trust)
  }

  /** Calls the client as a server does. */
  async callClient(method: string, path: string): Promise<void> {
    const { client } = this.addresses
    const server = await this.#trust?.server(client)
    if (server) await server.send(server.request(method, path))
    else await fetch(client + path, { method })
  }

  /** What was started last. */
  program(side: Side): Program {
    const program = this.#programs[side].at(-1)
    assert.ok(program, `no ${side} was started yet`)
    return program
  }

  has(side: Side): boolean {
    return this.#programs[side].length > 0
  }

  /** Everything that was said, side after side and process after process. */
  get said(): string {
    return sides
      .flatMap((side) => this.#programs[side].map(({ said }) => `--- ${side}:\n${said}`))
      .join('\n')
  }

  /** Starts one that is ready then, unless it is to die: that may be before it is ready. */
  async start(side: Side, { crashAt, env = {} }: Start = {}): Promise<Program> {
    const { server } = this.directories
    const paths =
      side === 'server'
        ? ['--data-path', server.dataPath, '--db-path', server.dbPath]
        : ['--data-path', join(this.#lab.directory, side)]
    const mode = side === 'server' ? 'server' : 'client'
    const { port } = new URL(this.addresses[side])
    const program = this.#lab.program([mode, '--port', port, '--kill-grace', '1s', ...paths], {
      ...this.#env,
      ...env,
      ...(crashAt !== undefined && { [crashVariable]: crashAt, [underTestVariable]: '1' }),
    })
    this.#programs[side].push(program)
    if (crashAt === undefined) await program.address()
    return program
  }

  /** Resolves when the program of a side has died at the point that it was armed with. */
  async died(side: Side): Promise<void> {
    const program = this.program(side)
    const { promise: late, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(
      () => reject(new Error(`the ${side} did not pass the point in ${patienceMs / 1000} s`)),
      patienceMs,
    )
    try {
      assert.equal(await Promise.race([program.exit(), late]), 'SIGKILL', program.said)
    } finally {
      clearTimeout(timer)
    }
  }

  /** Ends one as `kill -9` does. */
  async kill(side: Side): Promise<void> {
    await this.program(side).stop('SIGKILL')
  }
}
