/** A client that is there and speaks the event stream, but takes payloads as the test says. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { heartbeatMs, protocolVersion } from '../../src/domain/protocol.ts'
import type { LoadEvent } from '../../src/domain/protocol.ts'

type Submit = (body: string, response: ServerResponse) => void

export class StandIn implements AsyncDisposable {
  readonly address: string
  /** Method and path of all requests. */
  readonly requests: string[] = []
  readonly #server: Server
  readonly #instance: string
  readonly #streams = new Set<ServerResponse>()
  readonly #heartbeat: NodeJS.Timeout
  /** Those who ask for an event stream, while they are held. */
  #waiting: ServerResponse[] | undefined
  #resultsAsked = 0
  readonly #owed: ServerResponse[] = []
  #load: LoadEvent = { load: 0, slots: null, active: 0 }
  /** Answers who asks for a result; without it, nobody does. */
  onResult: ((response: ServerResponse) => void) | undefined

  private constructor(server: Server, port: number, instance: string) {
    this.#instance = instance
    this.#server = server
    this.address = `http://127.0.0.1:${port}`
    this.#heartbeat = setInterval(() => this.#tell(), heartbeatMs)
  }

  /**
   * @param submit answers `POST /submit`; gets the whole body.
   * @param hasEvents without an event stream, `submit` answers everything.
   * @param paceMs it takes so long for every piece of a body.
   */
  static async create(
    submit: Submit,
    {
      hasEvents = true,
      paceMs = 0,
      port = 0,
      instance = 'stand-in',
      ...load
    }: Partial<LoadEvent> & {
      readonly hasEvents?: boolean
      readonly paceMs?: number
      readonly port?: number
      readonly instance?: string
    } = {},
  ): Promise<StandIn> {
    const server = createServer((request, response) => {
      standIn.requests.push(`${request.method} ${request.url}`)
      if (hasEvents && request.url?.startsWith('/events')) return standIn.#beginStream(response)
      if (request.url?.startsWith('/result')) return standIn.#owe(response)
      // One that is broken off is answered by nobody.
      text(atPace(request, paceMs)).then(
        (body) => submit(body, response),
        () => response.destroy(),
      )
    })
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (typeof address !== 'object' || !address) throw new Error('it listens nowhere')
    const standIn = new StandIn(server, address.port, instance)
    standIn.#load = { ...standIn.#load, ...load }
    return standIn
  }

  /** Tells another load from now on. */
  tellLoad(load: Partial<LoadEvent>): void {
    this.#load = { ...this.#load, ...load }
    this.#tell()
  }

  /** Says that nothing is left of a payload. */
  tellLost(key: string): void {
    this.send('lost', { key, message: 'it was lost' })
  }

  /** Says that a payload is Completed. Who asks for its result gets no answer. */
  tellEnd(key: string, id: number): void {
    const result = { sizeBytes: 1_000, sha256: '0'.repeat(64) }
    this.send('payload', { key, id, status: 'Completed', message: '', result })
  }

  /** Ends the event streams; who asks again waits until `answerStreams`. */
  breakStreams(): void {
    this.#waiting = []
    for (const stream of this.#streams) stream.destroy()
  }

  /** Gives those who wait a snapshot without any payload. */
  answerStreams(): void {
    const waiting = this.#waiting ?? []
    this.#waiting = undefined
    for (const response of waiting) this.#beginStream(response)
  }

  /** How many wait for an event stream. */
  get streamsAsked(): number {
    return this.#waiting?.length ?? 0
  }

  /** So many results that were asked for are owed. */
  get resultsAsked(): number {
    return this.#resultsAsked
  }

  /** Breaks the connections of all who wait for a result. */
  breakResults(): void {
    for (const response of this.#owed.splice(0)) response.destroy()
  }

  /** How many event streams are open. */
  get streams(): number {
    return this.#streams.size
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#heartbeat)
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  #owe(response: ServerResponse): void {
    this.#resultsAsked++
    if (this.onResult) this.onResult(response)
    else this.#owed.push(response)
  }

  #beginStream(response: ServerResponse): void {
    if (this.#waiting) return void this.#waiting.push(response)
    const load = this.#load
    const snapshot = { protocol: protocolVersion, instance: this.#instance, load, payloads: [] }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(`event: snapshot\ndata: ${JSON.stringify(snapshot)}\n\n`)
    response.write('event: something-new\ndata: {}\n\n')
    this.#streams.add(response)
    response.once('close', () => this.#streams.delete(response))
  }

  #tell(): void {
    this.send('load', this.#load)
  }

  /** Sends any event. */
  send(name: string, data: unknown): void {
    const event = `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
    for (const stream of this.#streams) stream.write(event)
  }
}

async function* atPace(
  body: AsyncIterable<Uint8Array>,
  paceMs: number,
): AsyncGenerator<Uint8Array> {
  for await (const piece of body) {
    if (paceMs > 0) await delay(paceMs)
    yield piece
  }
}

/** Takes payloads, and never does anything with them. */
export function taking(onTaken: (body: string) => void = () => {}): Submit {
  let payloads = 0
  return (body, response) => {
    onTaken(body)
    response.end(JSON.stringify({ id: ++payloads, instance: 'stand-in' }))
  }
}
