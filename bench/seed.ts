/** Jobs that are with a server before it starts, brought there by the steps of its own store. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ClientAddress } from '../src/domain/job.ts'
import { JobFiles } from '../src/files/job-files.ts'
import type { JobStore } from '../src/store/jobs.ts'
import { openServerStore } from '../test/harness/seed.ts'
import type { Bed } from './subject.ts'

const service = 'example'

/** A job that runs at a client. */
export type Seeded = {
  /** Index of the client. */
  readonly client: number
  readonly key: string
  readonly payloadId: number
}

export class Seed implements AsyncDisposable {
  readonly #store: JobStore
  readonly #files: JobFiles

  private constructor(store: JobStore, files: JobFiles) {
    this.#store = store
    this.#files = files
  }

  /** @param bed its server has not been started, or has ended. */
  static async open(bed: Bed): Promise<Seed> {
    const files = new JobFiles(join(bed.directory, 'server'))
    return new Seed(await openServerStore(bed), files)
  }

  /**
   * Queues jobs of a user. Their files are not flushed, as those of an upload are.
   *
   * @param script of those that are to run; the others have no files.
   */
  async queue(userId: string, count: number, script?: string): Promise<void> {
    const jobs: Promise<unknown>[] = []
    for (let sent = 0; sent < count; sent++) {
      const id = this.#store.reserveId()
      const input = this.#files.inputDirectory(id)
      mkdirSync(script === undefined ? dirname(input) : input, { recursive: true })
      if (script !== undefined) writeFileSync(join(input, 'run.sh'), script)
      jobs.push(this.#store.insert({ id, userId, service, isFlat: true }, Date.now()))
    }
    await Promise.all(jobs)
  }

  /**
   * Gives all that is queued to clients, where it runs then; each client gets as much.
   *
   * @param addresses of the clients; they are their instances' names too.
   */
  async giveAll(addresses: readonly string[]): Promise<Seeded[]> {
    const store = this.#store
    const { queued = 0 } = (await store.backlog()).get(service) ?? {}
    const quota = { runsPerUser: queued, maxRuns: queued }
    const give = async (index: number): Promise<Seeded> => {
      const client = index % addresses.length
      const address = addresses[client] ?? ''
      const key = `${store.serverId}-${randomBytes(16).toString('hex')}`
      const choice = { key, client: addressOf(address), instance: address }
      const given = await store.claim(service, quota, () => choice, Date.now())
      if (!given) throw new Error('a queued job was not given away')
      const { id, attempt } = given.job
      const receipt = { payloadId: id, instance: address }
      await store.learn(id, { is: 'started', attempt, ...receipt }, Date.now())
      return { client, key, payloadId: id }
    }
    return Promise.all(Array.from({ length: queued }, (_, index) => give(index)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]()
  }
}

function addressOf(address: string): ClientAddress {
  return {
    uploadUrl: `${address}/submit`,
    downloadUrl: `${address}/retrieve`,
    terminateUrl: `${address}/kill`,
  }
}
