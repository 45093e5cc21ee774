/** One call to a client, and what can be made of its answer. */
import type { Readable } from 'node:stream'
import { Agent, errors, request } from 'undici'
import type { Dispatcher } from 'undici'
import { Fault, isAbort, messageOf } from '../domain/errors.ts'
import type { ClientAddress } from '../domain/job.ts'
import { keyHeader } from '../domain/protocol.ts'
import type { Tls } from '../trust/certificates.ts'
import type { Current } from '../trust/from-files.ts'
import type { Signer, Signing } from '../trust/signer.ts'
import { Connections } from './connections.ts'
import { tlsConnector } from './connector.ts'

/** From the end of the request to the first byte of the answer; clients flush before they answer. */
const firstByteMs = 60_000
const betweenBytesMs = 30_000
/** So long a connection is kept for the next call; who is called no more is left alone soon. */
const mostIdleMs = 5_000
/** Longest answer that is read into memory. */
const longestAnswerBytes = 64 * 1024

/** A client that wants another certificate than ours says no more than this. */
const closedHint = ' (where it has a TLS_CA, its log says whether it wants another certificate)'

type CallOptions = {
  readonly method: Dispatcher.HttpMethod
  readonly url: string | URL
  readonly headers?: Record<string, string>
  readonly body?: Readable | Uint8Array
  /** What its body is signed with too; without one it is signed here, if it is to be signed. */
  readonly signing?: Signing | undefined
  readonly signal?: AbortSignal
  readonly headersTimeout?: number
  readonly bodyTimeout?: number
}

/** @throws Fault `unreachable` without an answer; the error of the signal when that breaks it off. */
export type Call = (options: CallOptions) => Promise<Dispatcher.ResponseData>

/** How clients are called, and the connections that are open to them. */
export type Calls = {
  readonly call: Call
  readonly connections: Connections
  /** Without one nothing is signed. */
  readonly signer?: Signer | undefined
}

/** Makes calls over connections that are kept alive. Disposing of it closes them. */
export function openCalls(tls: Current<Tls>, signer?: Signer): Calls & AsyncDisposable {
  const connections = new Connections()
  const connect = tlsConnector(tls)
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
  const callOnce: Call = async ({ url, signing, ...options }) => {
    try {
      return await request(url, {
        dispatcher: agent,
        ...options,
        ...(signing && { headers: signed(signing, new URL(url), options) }),
      })
    } catch (error) {
      const isClosed = error instanceof errors.SocketError && String(url).startsWith('https:')
      throw asUnreachable(error, isClosed ? closedHint : '')
    }
  }
  const call: Call = async (options) => {
    if (!signer) return callOnce(options)
    const { origin } = new URL(options.url)
    const { signing = signer.begin(origin) } = options
    const response = await callOnce({ ...options, signing })
    if (response.statusCode !== 401) return response
    const challenge = response.headers['www-authenticate']?.toString()
    const isForAnother = signer.learn(origin, signing, challenge)
    // A body is gone; whoever sends it tries again later.
    if (!isForAnother || options.body) return response
    await response.body.dump()
    return callOnce({ ...options, signing: signer.begin(origin) })
  }
  return {
    connections,
    signer,
    call,
    [Symbol.asyncDispose]: () => agent.destroy(),
  }
}

function signed(
  signing: Signing,
  { pathname, search }: URL,
  { method, headers = {} }: Pick<CallOptions, 'method' | 'headers'>,
): Record<string, string> {
  const head = { method, path: pathname + search, key: headers[keyHeader] ?? '' }
  return { ...headers, authorization: signing.authorize(head) }
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

/** @param hint may help who reads it. */
export function asUnreachable(error: unknown, hint = ''): unknown {
  if (error instanceof errors.RequestAbortedError || isAbort(error)) return error
  const reasons = error instanceof AggregateError ? error.errors.map(messageOf) : [messageOf(error)]
  const reason = reasons.filter(Boolean).join('; ') || 'no connection'
  return new Fault('unreachable', reason + hint, { cause: error })
}
