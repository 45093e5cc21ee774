/** A server with a backlog and a client that takes from it only while it is let. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import type { DrainReply, ServerHealth } from '../src/domain/protocol.ts'
import { seedBacklog } from './backlog-seed.ts'
import type { Backlog } from './backlog-seed.ts'
import { memoryMb } from './meter.ts'
import { Bed } from './subject.ts'
import type { Build, Subject } from './subject.ts'

const askEveryMs = 50
/** So many jobs at a time, whoever's. */
const atOnce = '16'
/** After them the walk is even. */
const warmUps = 32

type QueueLoad = { readonly queued: number; readonly active: number }

export class BacklogQueue implements AsyncDisposable {
  /** From the start of the server's process until it is ready. */
  readonly readyMs: number
  readonly #bed: Bed
  readonly #server: Subject
  readonly #client: Subject
  /** When the client was let go on. */
  readonly #startsMs: number[] = []

  private constructor(bed: Bed, server: Subject, client: Subject, readyMs: number) {
    this.#bed = bed
    this.#server = server
    this.#client = client
    this.readyMs = readyMs
  }

  /** The client takes nothing yet. */
  static async open(build: Build, backlog: Backlog): Promise<BacklogQueue> {
    await using stack = new AsyncDisposableStack()
    const bed = stack.use(await Bed.create(build))
    await seedBacklog(bed, backlog)
    const client = await bed.client()
    await drain(client, 'POST')
    const start = performance.now()
    const server = await bed.server([client.address], [], {
      SERVICE_EXAMPLE_MAX_RUNS: atOnce,
      SERVICE_EXAMPLE_RUNS_PER_USER: atOnce,
    })
    const readyMs = performance.now() - start
    stack.move()
    return new BacklogQueue(bed, server, client, readyMs)
  }

  get address(): string {
    return this.#server.address
  }

  /** Resident memory of the server now. */
  memoryMb(): Promise<number> {
    return memoryMb(this.#server.pid)
  }

  /** Has the client take jobs until so many more have ended after the warm-up. */
  async run(jobs: number): Promise<void> {
    const { queued, active } = await this.#load()
    const most = queued + active - warmUps - jobs
    this.#startsMs.push(Date.now())
    await drain(this.#client, 'DELETE')
    await this.#reach((load) => load.queued + load.active < most)
    await drain(this.#client, 'POST')
    await this.#reach((load) => load.active === 0)
  }

  /**
   * How many jobs a second became `Completed` in each run, by the history; the server must have
   * been stopped.
   *
   * @throws when a job ended in any other way.
   */
  ratesPerS(jobs: number): number[] {
    using database = new DatabaseSync(join(this.#bed.directory, 'server.sqlite'))
    const other = `select count(*) as count from history
      where to_status in ('Failed', 'Invalid', 'Killed')`
    const failed = Number(database.prepare(other).get()?.['count'])
    if (failed > 0) throw new Error(`${failed} jobs of the backlog have not completed`)
    const ends = database
      .prepare("select at_ms from history where to_status = 'Completed' order by at_ms")
      .all()
      .map((row) => Number(row['at_ms']))
    return this.#startsMs.map((startMs) => {
      const counted = ends.filter((at) => at >= startMs).slice(warmUps)
      return (1000 * jobs) / ((counted[jobs] ?? Number.NaN) - (counted[0] ?? 0))
    })
  }

  /** Stops the processes; the database stays until this is disposed of. */
  async stop(): Promise<void> {
    await this.#server[Symbol.asyncDispose]()
    await this.#client[Symbol.asyncDispose]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#bed[Symbol.asyncDispose]()
  }

  async #reach(isThere: (load: QueueLoad) => boolean): Promise<void> {
    while (!isThere(await this.#load())) await delay(askEveryMs)
  }

  async #load(): Promise<QueueLoad> {
    const health = (await (await fetch(`${this.address}/health`)).json()) as ServerHealth
    const [service] = health.services
    if (!service) throw new Error('the server has no service')
    return service
  }
}

async function drain({ address }: Subject, method: 'POST' | 'DELETE'): Promise<void> {
  const reply = (await (await fetch(`${address}/drain`, { method })).json()) as DrainReply
  if (reply.draining !== (method === 'POST'))
    throw new Error('the client does not do as it is told')
}
