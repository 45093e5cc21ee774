/** A server and a client, one of them or both on a machine that loses its power. */
import { join } from 'node:path'
import type { Directories } from '../harness/at-rest.ts'
import { until } from '../harness/lab.ts'
import type { Lab } from '../harness/lab.ts'
import { Machine } from '../harness/machine.ts'
import { freePort } from '../harness/port.ts'
import type { LogLine, Program } from '../harness/program.ts'

export const sides = ['server', 'client', 'both'] as const
export type Side = (typeof sides)[number]

/** Losses are what is tried here: no job is to fail for their number. */
const serverArgs = ['--max-attempts', '1000']
const quota = { SERVICE_EXAMPLE_MAX_RUNS: '12', SERVICE_EXAMPLE_RUNS_PER_USER: '5' }

/** One of the two programs, in all its lives. */
class Part {
  readonly isOnMachine: boolean
  readonly dataPath: string
  readonly #start: () => Program
  readonly #lives: Program[] = []

  constructor(isOnMachine: boolean, dataPath: string, start: () => Program) {
    this.isOnMachine = isOnMachine
    this.dataPath = dataPath
    this.#start = start
  }

  start(): Program {
    const program = this.#start()
    this.#lives.push(program)
    return program
  }

  get program(): Program | undefined {
    return this.#lives.at(-1)
  }

  get lines(): LogLine[] {
    return this.#lives.flatMap(({ lines }) => lines)
  }
}

export class Scene implements AsyncDisposable {
  readonly address: string
  readonly directories: Directories
  readonly machine: Machine
  readonly server: Part
  readonly client: Part

  private constructor(lab: Lab, machine: Machine, side: Side, ports: [number, number]) {
    const [serverPort, clientPort] = ports
    const part = (name: 'server' | 'client', args: string[], env: Record<string, string>) => {
      const isOnMachine = side === 'both' || side === name
      const dataPath = join(isOnMachine ? machine.directory : lab.directory, name)
      const flags = [name, '--data-path', dataPath, '--kill-grace', '1s', ...args]
      if (name === 'server') flags.push('--db-path', `${dataPath}.sqlite`)
      const through = isOnMachine ? machine.through : []
      return new Part(isOnMachine, dataPath, () => lab.program(flags, env, through))
    }
    this.machine = machine
    this.address = `http://127.0.0.1:${serverPort}`
    this.client = part('client', ['--port', String(clientPort)], {})
    this.server = part('server', ['--port', String(serverPort), ...serverArgs], {
      SERVICE_EXAMPLE_UPLOAD_URL: `http://127.0.0.1:${clientPort}/submit`,
      ...quota,
    })
    const { dataPath } = this.server
    this.directories = {
      server: { dataPath, dbPath: `${dataPath}.sqlite` },
      clients: [this.client.dataPath],
    }
  }

  /** Makes the machine and starts both programs. */
  static async create(lab: Lab, side: Side): Promise<Scene> {
    const machine = await Machine.create(join(lab.directory, 'machine'))
    const scene = new Scene(lab, machine, side, [await freePort(), await freePort()])
    await Promise.all([scene.client.start().address(), scene.server.start().address()])
    return scene
  }

  /** Starts what was on the machine, and returns when its processes are there. */
  async boot(): Promise<void> {
    await this.machine.boot()
    for (const part of this.#partsOnMachine) part.start()
    await until('the programs are on the machine', async () => {
      const there = new Set(await this.machine.processes())
      return this.#partsOnMachine.every(({ program }) => there.has(program?.pid ?? 0))
    })
  }

  /** Returns when what was started is ready. */
  async ready(): Promise<void> {
    for (const { program } of this.#partsOnMachine) await program?.address()
  }

  /** Returns when what was started has something to lose. */
  async busy(): Promise<void> {
    for (const { program } of this.#partsOnMachine) {
      await program?.line(({ to, status }) => to === 'Processing' || status === 'Running')
    }
  }

  async cut(): Promise<void> {
    await this.machine.cut()
    for (const { program } of this.#partsOnMachine) await program?.exit()
  }

  get #partsOnMachine(): Part[] {
    return [this.client, this.server].filter(({ isOnMachine }) => isOnMachine)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.machine[Symbol.asyncDispose]()
  }
}
