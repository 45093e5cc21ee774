/** What Node.js refuses before there is a request: it gets an answer of our shape, and is cut. */
import { STATUS_CODES } from 'node:http'
import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { JobReply } from '../domain/protocol.ts'
import { mostHeadBytes } from './head-limits.ts'
import { safeHeaders } from './safe-headers.ts'

/** An error of a connection, as `clientError` has it; `reason` is the parser's own word. */
export type ConnectionError = Error & { readonly code?: string; readonly reason?: string }

/** Requests of each connection that have not been answered, in their order. */
export class Unanswered {
  readonly #of = new WeakMap<Socket, Set<ServerResponse>>()

  add(response: ServerResponse): void {
    const { socket } = response.req
    const responses = this.#of.get(socket) ?? new Set()
    this.#of.set(socket, responses.add(response))
    response.once('close', () => responses.delete(response))
  }

  /**
   * Whether what is written to a connection now is the answer to what has broken. Where a request
   * before it waits, or an answer has begun, it would be taken for something else.
   */
  mayAnswer(socket: Socket): boolean {
    const [first, ...others] = this.#of.get(socket) ?? []
    if (first === undefined) return true
    return others.length === 0 && !first.req.complete && !first.headersSent
  }
}

/** Answers what is no proper request, if that can be done, and cuts the connection. */
export function refuseBroken(
  error: ConnectionError,
  socket: Socket,
  unanswered: Unanswered,
  headersTimeoutMs: number,
): void {
  // What fails below HTTP, a handshake of TLS above all, is answered by nothing: nobody could read it
  // before the handshake ends, and who came in late would take it for the answer to a request.
  if (!isOfHttp(error) || !socket.writable) return void socket.destroy()
  if (unanswered.mayAnswer(socket)) socket.write(answer(...describe(error, headersTimeoutMs)))
  socket.destroySoon()
}

function isOfHttp({ code = '' }: ConnectionError): boolean {
  return code.startsWith('HPE_') || code === 'ERR_HTTP_REQUEST_TIMEOUT'
}

/** Refuses what a request expects of us, other than to go on (RFC 9110, section 10.1.1). */
export function refuseExpectations(server: Server): void {
  server.on('checkExpectation', (_request, response) => {
    const body = bodyOf('the only thing to be expected is 100-continue')
    response.writeHead(417, { ...safeHeaders, ...typeOf(body), connection: 'close' }).end(body)
  })
}

function describe(error: ConnectionError, headersTimeoutMs: number): [number, string] {
  switch (error.code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return [408, `the head of the request took longer than ${headersTimeoutMs / 1000} s`]
    case 'HPE_HEADER_OVERFLOW':
      return [431, `request line and headers are larger than ${mostHeadBytes} bytes`]
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return [413, 'the chunks of the body say too much beside their sizes']
    default:
      return [400, `this is no proper HTTP/1.1: ${error.reason ?? 'it cannot be read'}`]
  }
}

function answer(status: number, message: string): string {
  const body = bodyOf(message)
  const headers = { ...safeHeaders, ...typeOf(body), Connection: 'close' }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`
}

function bodyOf(message: string): string {
  return JSON.stringify({ id: 0, status: 'Unknown', message } satisfies JobReply)
}

function typeOf(body: string) {
  return {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
  }
}
