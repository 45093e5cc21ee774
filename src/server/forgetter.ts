/** Tells clients that results are stored here, so that they need keep them no longer. */
import { crashPoint } from '../crash-points.ts'
import { messageOf } from '../domain/errors.ts'
import type { ClientAddress } from '../domain/job.ts'
import { mostKeysAtOnce } from '../domain/protocol.ts'
import type { Log } from '../log.ts'
import type { ActiveJob } from '../store/jobs.ts'
import type { ClientGateway } from './gateway.ts'
import { persist } from './persist.ts'

export type ForgetterContext = { readonly gateway: ClientGateway; readonly log: Log }

/** What is to be forgotten while a client is being told is told together, by the next call. */
export class Forgetter {
  readonly #context: ForgetterContext
  /** Keys by the upload URLs of their clients, those that are being told now too. */
  readonly #waiting = new Map<string, Set<string>>()
  readonly #tasks = new Set<Promise<void>>()
  readonly #stopping = new AbortController()

  constructor(context: ForgetterContext) {
    this.#context = context
  }

  /** If the client cannot be told, it names the payload in its next snapshot. */
  forget({ attempt: { client, key } }: ActiveJob): void {
    const waiting = this.#waiting.get(client.uploadUrl)
    if (waiting) {
      waiting.add(key)
      return
    }
    this.#waiting.set(client.uploadUrl, new Set([key]))
    const task = this.#tellAll(client).finally(() => this.#tasks.delete(task))
    this.#tasks.add(task)
  }

  /** Breaks off what is being told. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.all(this.#tasks)
  }

  async #tellAll(client: ClientAddress): Promise<void> {
    const { uploadUrl } = client
    for (;;) {
      const keys = [...(this.#waiting.get(uploadUrl) ?? [])].slice(0, mostKeysAtOnce)
      if (keys.length === 0) break
      await this.#tell(client, keys)
      for (const key of keys) this.#waiting.get(uploadUrl)?.delete(key)
    }
    this.#waiting.delete(uploadUrl)
  }

  async #tell(client: ClientAddress, keys: readonly string[]): Promise<void> {
    const { gateway, log } = this.#context
    const { signal } = this.#stopping
    try {
      await persist(() => gateway.forget(client, keys, signal), signal)
      crashPoint('retrieve: forgotten')
    } catch (error) {
      if (signal.aborted) return
      log.warn(
        { client: client.uploadUrl },
        `a client cannot be told to forget ${keys.length} results: ${messageOf(error)}`,
      )
    }
  }
}
