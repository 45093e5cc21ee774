/**
 * Stands between a server and a client, passes everything on, and remembers what went to the client.
 * It may alter what it passes on.
 */
import { once } from 'node:events'
import { createServer, request as begin } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { Request } from './signed.ts'

export class Recorder implements AsyncDisposable {
  /** All requests, in the order in which their ends came. */
  readonly requests: Request[] = []
  /** What becomes of bodies on their way. */
  alter: (body: Buffer) => Buffer = (body) => body
  readonly address: string
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
    this.address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  /** @param client its address. */
  static async create(client: string): Promise<Recorder> {
    const server = createServer((incoming, answer) => {
      pass(client, incoming, answer, recorder).then(
        (request) => recorder.requests.push(request),
        () => answer.destroy(),
      )
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const recorder = new Recorder(server)
    return recorder
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }
}

/** @returns the request, when the whole of it has come. */
async function pass(
  client: string,
  incoming: IncomingMessage,
  answer: ServerResponse,
  { alter }: Recorder,
): Promise<Request> {
  const { method = '', url: path = '' } = incoming
  const headers = incoming.headers as Record<string, string>
  const body = await buffer(incoming)
  const outgoing = begin(client + path, { method, headers, agent: false })
  outgoing.on('response', (response) => {
    answer.writeHead(response.statusCode ?? 0, response.rawHeaders)
    response.on('error', () => answer.destroy())
    response.pipe(answer)
  })
  outgoing.on('error', () => answer.destroy())
  answer.on('close', () => outgoing.destroy())
  outgoing.end(alter(body))
  return { method, path, headers, body }
}
