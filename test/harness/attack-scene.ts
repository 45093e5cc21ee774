/**
 * What hostile scripts are tried against: a server and two clients, of which one keeps its scripts
 * apart and the other does not. At each of them another user's job runs, and this process has
 * listeners that no script should reach.
 */
import { randomUUID } from 'node:crypto'
import { readFile, readdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { findScripts } from '../../examples/demo/scripts.ts'
import type { JobDetails } from '../../src/domain/protocol.ts'
import type { Api } from './api.ts'
import { Lab, until } from './lab.ts'
import type { ClientUnderTest } from './lab.ts'
import type { ZipEntries } from './zip.ts'

/** The two clients, by the names of their services. */
export const sides = ['open', 'apart'] as const
export type SceneSide = (typeof sides)[number]

/** What a script that attacks knows: all that a script could find out, and more. */
export type Target = {
  /** Of all data. */
  readonly directory: string
  readonly dbPath: string
  readonly secretFile: string
  /** The client's. */
  readonly clientPid: number
  readonly clientPort: number
  /** Directory of the other user's payload, and one of its processes. */
  readonly victim: string
  readonly victimPid: number
  /** On 127.0.0.2. */
  readonly listenerPort: number
  readonly socketPath: string
  readonly abstractName: string
  /** In nothing else that runs on this machine. */
  readonly mark: string
}

/** What became of an attack. */
export type Outcome = {
  readonly job: JobDetails
  readonly files: ZipEntries
  readonly stdout: string
  readonly target: Target
}

/** In the environment of both clients, and for nobody else. */
export const daemonSecret = 'the-daemons-own-secret'
const victimSecret = 'the-other-users-secret'

export class AttackScene implements AsyncDisposable {
  readonly api: Api
  readonly #targets: Readonly<Record<SceneSide, Target>>
  readonly #made: AsyncDisposableStack

  private constructor(
    api: Api,
    targets: Readonly<Record<SceneSide, Target>>,
    made: AsyncDisposableStack,
  ) {
    this.api = api
    this.#targets = targets
    this.#made = made
  }

  static async create(): Promise<AttackScene> {
    await using made = new AsyncDisposableStack()
    const lab = made.use(await Lab.create())
    const mark = randomUUID()
    const secretFile = join(lab.directory, 'cluster-secret')
    await writeFile(secretFile, `${'not-for-scripts-'.repeat(3)}\n`, { mode: 0o600 })
    const trust = ['--cluster-secret-file', secretFile]
    const start = (name: SceneSide, isolation: string) =>
      lab.client({
        name,
        // Neither is helped by cgroups: survivors.test.ts has what these end.
        args: [...trust, '--isolation', isolation, '--cgroups', 'none'],
        env: { DAEMON_SECRET: daemonSecret },
      })
    const clients = { open: await start('open', 'none'), apart: await start('apart', 'bwrap') }
    const { api } = await lab.server({
      services: { open: [clients.open.address], apart: [clients.apart.address] },
      args: trust,
      env: Object.fromEntries(
        sides.flatMap((name) => [
          [`SERVICE_${name.toUpperCase()}_RUNS_PER_USER`, '4'],
          [`SERVICE_${name.toUpperCase()}_MAX_RUNS`, '8'],
        ]),
      ),
    })
    const listener = made.use(await Listening.at({ host: '127.0.0.2', port: 0 }))
    const socketPath = join(lab.directory, 'daemon.sock')
    made.use(await Listening.at({ path: socketPath }))
    const abstractName = `job-orchestrator-${mark}`
    made.use(await Listening.at({ path: `\0${abstractName}` }))
    const common = {
      directory: lab.directory,
      dbPath: join(lab.directory, 'server.sqlite'),
      secretFile,
      listenerPort: listener.port,
      socketPath,
      abstractName,
      mark,
    }
    const targets = {
      open: { ...common, ...(await meetVictim(lab, api, 'open', clients.open)) },
      apart: { ...common, ...(await meetVictim(lab, api, 'apart', clients.apart)) },
    }
    return new AttackScene(api, targets, made.move())
  }

  /** Runs a script at a client. */
  async run(side: SceneSide, script: (target: Target) => string): Promise<Outcome> {
    const target = this.#targets[side]
    const job = await this.api.run(script(target), { user: 'mallory', service: side })
    const files = await this.api.files(job.id, 'download_partial')
    const stdout = files.get('.orchestrator/stdout.log')?.content.toString() ?? ''
    return { job, files, stdout, target }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#made.disposeAsync()
  }
}

/** Starts another user's job, and finds out where it is. */
async function meetVictim(lab: Lab, api: Api, service: SceneSide, client: ClientUnderTest) {
  const script = `echo ${victimSecret} >secret.txt; while :; do sleep 1000; done`
  const id = await api.upload(script, { user: 'victim', service })
  await api.reached(id, 'Running')
  const payloads = join(lab.directory, service, 'payloads')
  const name = (await readdir(payloads)).find((entry) => /^\d+$/.test(entry)) ?? ''
  const victim = join(payloads, name)
  const secret = () => readFile(join(victim, 'work', 'secret.txt'), 'utf8').catch(() => '')
  await until("the other user's script has begun", async () => (await secret()) !== '')
  const [victimPid = 0] = await findScripts(victim)
  const clientPort = Number(new URL(client.address).port)
  return { victim, victimPid, clientPid: client.program.pid, clientPort }
}

/** Says nothing, and hears what comes. */
class Listening implements AsyncDisposable {
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  static async at(where: { host: string; port: number } | { path: string }): Promise<Listening> {
    const server = createServer((socket) => socket.on('error', () => {}).end('harm\n'))
    server.listen(where)
    await once(server, 'listening')
    return new Listening(server)
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    await once(this.#server, 'close')
  }
}
