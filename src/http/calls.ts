/** One call to a client, and what can be made of its answer. */
import type { Readable } from 'node:stream'
import { Agent, buildConnector, errors, request } from 'undici'
import type { Dispatcher } from 'undici'
import { Fault, isAbort, messageOf } from '../domain/errors.ts'
import type { ClientAddress } from '../domain/job.ts'
import { Connections } from './connections.ts'

const connectMs = 5_000
/** From the end of the request to the first byte of the answer; clients flush before they answer. */
const firstByteMs = 60_000
const betweenBytesMs = 30_000
/** So long a connection is kept for the next call; who is called no more is left alone soon. */
const mostIdleMs = 5_000
/** Longest answer that is read into memory. */
const longestAnswerBytes = 64 * 1024

type CallOptions = {
  readonly method: Dispatcher.HttpMethod
  readonly url: string | URL
  readonly headers?: Record<string, string>
  readonly body?: Readable
  readonly signal?: AbortSignal
  readonly headersTimeout?: number
  readonly bodyTimeout?: number
}

/** @throws Fault `unreachable` without an answer; the error of the signal when that breaks it off. */
export type Call = (options: CallOptions) => Promise<Dispatcher.ResponseData>

/** How clients are called, and the connections that are open to them. */
export type Calls = { readonly call: Call; readonly connections: Connections }

/** Makes calls over connections that are kept alive. Disposing of it closes them. */
export function openCalls(): Calls & AsyncDisposable {
  const connections = new Connections()
  const connect = buildConnector({ timeout: connectMs })
  const agent = new Agent({
    connect(options, callback) {
      connect(options, (...[error, socket]) => {
        if (error) return callback(error, null)
        connections.add(`${options.protocol}//${options.host}`, socket)
        callback(null, socket)
      })
    },
    headersTimeout: firstByteMs,
    bodyTimeout: betweenBytesMs,
    keepAliveMaxTimeout: mostIdleMs,
  })
  return {
    connections,
    async call({ url, ...options }) {
      try {
        return await request(url, { dispatcher: agent, ...options })
      } catch (error) {
        throw asUnreachable(error)
      }
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  }
}

/** A URL that differs from the upload URL in its last segment. */
export function beside({ uploadUrl }: Pick<ClientAddress, 'uploadUrl'>, path: string): URL {
  return new URL(path, uploadUrl)
}

/** @throws Fault `unreachable` with what the client said. */
export async function expectZip(response: Dispatcher.ResponseData): Promise<Readable> {
  if (response.statusCode === 200) return response.body
  throw await refusal(response)
}

/** @throws Fault `unreachable` with what the client said. */
export async function expectJson(response: Dispatcher.ResponseData): Promise<unknown> {
  if (response.statusCode !== 200) throw await refusal(response)
  return readJson(response)
}

/** What the client said when it refused, as a fault. */
export async function refusal(response: Dispatcher.ResponseData): Promise<Fault> {
  const { statusCode } = response
  const answer = await readJson(response).catch(() => undefined)
  const said = (answer as { message?: unknown } | undefined)?.message
  const message = typeof said === 'string' ? said : 'no reason was given'
  return new Fault('unreachable', `the client answered ${statusCode}: ${message}`)
}

export async function readJson({ body }: Dispatcher.ResponseData): Promise<unknown> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    sizeBytes += chunk.byteLength
    if (sizeBytes > longestAnswerBytes) throw new Error('the answer is too long')
    chunks.push(chunk)
  }
  return JSON.parse(Buffer.concat(chunks).toString())
}

export function asUnreachable(error: unknown): unknown {
  if (error instanceof errors.RequestAbortedError || isAbort(error)) return error
  const reasons = error instanceof AggregateError ? error.errors.map(messageOf) : [messageOf(error)]
  return new Fault('unreachable', reasons.filter(Boolean).join('; ') || 'no connection', {
    cause: error,
  })
}
