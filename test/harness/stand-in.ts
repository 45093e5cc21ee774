/** A client that is there and speaks the event stream, but takes payloads as the test says. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { protocolVersion } from '../../src/domain/protocol.ts'

export class StandIn implements AsyncDisposable {
  readonly address: string
  /** Method and path of all requests. */
  readonly requests: string[] = []
  readonly #server: Server

  private constructor(server: Server, port: number) {
    this.#server = server
    this.address = `http://127.0.0.1:${port}`
  }

  /**
   * @param submit answers `POST /submit`; gets the whole body.
   * @param hasEvents without an event stream, `submit` answers everything.
   */
  static async create(
    submit: (body: string, response: ServerResponse) => void,
    { hasEvents = true } = {},
  ): Promise<StandIn> {
    const server = createServer((request, response) => {
      standIn.requests.push(`${request.method} ${request.url}`)
      if (hasEvents && request.url?.startsWith('/events')) return beginStream(response)
      void text(request).then((body) => submit(body, response))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (typeof address !== 'object' || !address) throw new Error('it listens nowhere')
    const standIn = new StandIn(server, address.port)
    return standIn
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }
}

function beginStream(response: ServerResponse): void {
  const load = { load: 0, slots: null, active: 0 }
  const snapshot = { protocol: protocolVersion, instance: 'stand-in', load, payloads: [] }
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(`event: snapshot\ndata: ${JSON.stringify(snapshot)}\n\n`)
  response.write('event: something-new\ndata: {}\n\n')
}
