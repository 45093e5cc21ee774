/** One client as the server sees it: it has payloads, tells of them, and gives their results. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { protocolVersion } from '../../src/domain/protocol.ts'
import type {
  ClientEvent,
  LoadEvent,
  PayloadEvent,
  SnapshotEvent,
} from '../../src/domain/protocol.ts'
import type { Seeded } from '../seed.ts'

/** What every payload leaves. */
type Result = {
  readonly content: Buffer
  readonly info: NonNullable<PayloadEvent['result']>
}

export class StandIn {
  readonly address: string
  readonly #result: Result
  readonly #payloads = new Map<string, PayloadEvent>()
  /** Called when the payload with this key is forgotten. */
  readonly #forgotten = new Map<string, () => void>()
  #stream: ServerResponse | undefined

  private constructor(address: string, result: Result) {
    this.address = address
    this.#result = result
  }

  static async create(result: Result): Promise<StandIn> {
    const server = createServer((request, response) => standIn.#answer(request, response))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (typeof address !== 'object' || !address) throw new Error('it listens nowhere')
    const standIn = new StandIn(`http://127.0.0.1:${address.port}`, result)
    return standIn
  }

  /** It has this payload, which runs. */
  hold({ key, payloadId }: Seeded): void {
    this.#payloads.set(key, { key, id: payloadId, status: 'Running', message: '' })
  }

  /** Says that a payload has ended; resolves with how long it took until it was to forget it. */
  async end(key: string): Promise<number> {
    const payload = this.#payloads.get(key)
    if (!payload || !this.#stream) throw new Error('there is nothing to tell, or nobody to tell it')
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#forgotten.set(key, resolve)
    const ended = { ...payload, status: 'Completed' as const, result: this.#result.info }
    this.#payloads.set(key, ended)
    const start = performance.now()
    this.#tell({ name: 'payload', data: ended })
    // As a client does after every end.
    setImmediate(() => this.tellLoad())
    await promise
    return performance.now() - start
  }

  tellLoad(): void {
    this.#tell({ name: 'load', data: this.#load })
  }

  get #load(): LoadEvent {
    return { load: 50, slots: null, active: this.#payloads.size }
  }

  #tell({ name, data }: ClientEvent): void {
    this.#stream?.write(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`)
  }

  /** What no server should ask for here, it gets no answer to that it could go on with. */
  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '' } = request
    const key = url.split('/')[2] ?? ''
    if (method === 'GET' && url.startsWith('/events?')) this.#beginStream(response)
    else if (method === 'GET' && url.startsWith('/result/')) this.#giveResult(response)
    else if (method === 'DELETE') this.#forget(key.split(','), response)
    else response.writeHead(501).end()
  }

  #beginStream(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    this.#stream = response
    const snapshot: SnapshotEvent = {
      protocol: protocolVersion,
      instance: this.address,
      load: this.#load,
      payloads: [...this.#payloads.values()],
    }
    this.#tell({ name: 'snapshot', data: snapshot })
  }

  #giveResult(response: ServerResponse): void {
    const { content } = this.#result
    const headers = { 'content-type': 'application/zip', 'content-length': content.byteLength }
    response.writeHead(200, headers).end(content)
  }

  #forget(keys: readonly string[], response: ServerResponse): void {
    const known = keys.every((key) => this.#forgotten.has(key))
    response.writeHead(known ? 204 : 501).end()
    for (const key of keys) {
      this.#payloads.delete(key)
      this.#forgotten.get(key)?.()
    }
  }
}
