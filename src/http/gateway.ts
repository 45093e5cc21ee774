/** The server's calls to clients, over HTTP. */
import { Readable } from 'node:stream'
import { createParser } from 'eventsource-parser'
import { Agent, errors, request } from 'undici'
import type { Dispatcher } from 'undici'
import { Fault, messageOf, systemCode } from '../domain/errors.ts'
import type { ClientAddress } from '../domain/job.ts'
import { clientEvents, heartbeatMs, keyHeader, optionsPart } from '../domain/protocol.ts'
import type { ClientEvent } from '../domain/protocol.ts'
import type { ClientGateway, SubmitAnswer } from '../server/gateway.ts'
import { multipartBody } from './multipart-body.ts'

const connectMs = 5_000
/** From the end of the request to the first byte of the answer; clients flush before they answer. */
const firstByteMs = 60_000
const betweenBytesMs = 30_000
/** A stream without any byte for so long is dead. */
const silentMs = 3 * heartbeatMs
/** Longest answer that is read into memory. */
const longestAnswerBytes = 64 * 1024

/** After these nothing has reached the other side. */
const neverArrived = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
])

/** No slot, or no client at that address at all. */
const troublesOfClient = new Set([404, 405, 415, 503])

type Call = {
  readonly method: Dispatcher.HttpMethod
  readonly url: string | URL
  readonly headers?: Record<string, string>
  readonly body?: Readable
  readonly signal?: AbortSignal
  readonly bodyTimeout?: number
}

/** Calls clients over HTTP, on connections that are kept alive. Disposing of it closes them. */
export function httpGateway(): ClientGateway & AsyncDisposable {
  const agent = new Agent({
    connect: { timeout: connectMs },
    headersTimeout: firstByteMs,
    bodyTimeout: betweenBytesMs,
  })
  const call = async ({ url, ...options }: Call): Promise<Dispatcher.ResponseData> => {
    try {
      return await request(url, { dispatcher: agent, ...options })
    } catch (error) {
      throw asUnreachable(error)
    }
  }
  return {
    events: (address, serverId, signal) => readEvents(call, address, serverId, signal),

    async submit(address, options, files, signal) {
      const body = multipartBody({ [optionsPart]: JSON.stringify(options) }, files)
      try {
        const response = await call({
          method: 'POST',
          url: address.uploadUrl,
          headers: {
            'content-type': body.contentType,
            'content-length': String(body.sizeBytes),
          },
          body: Readable.from(body.content(), { objectMode: false }),
          signal,
        })
        return await readSubmitAnswer(response)
      } catch (error) {
        if (signal.aborted) throw error
        const reason = messageOf(error)
        const { cause } = error as Error
        return neverArrived.has(systemCode(cause) ?? '')
          ? { is: 'not now', reason, fault: 'client' }
          : { is: 'unknown', reason }
      }
    },

    async result(address, key, signal) {
      const response = await call({ method: 'GET', url: beside(address, `result/${key}`), signal })
      return expectZip(response)
    },

    async partial(address, payloadId, key, signal) {
      const url = beside({ uploadUrl: address.downloadUrl }, `retrieve_partial/${payloadId}`)
      return expectZip(await call({ method: 'GET', url, headers: { [keyHeader]: key }, signal }))
    },

    async kill(address, key, signal) {
      const url = beside(address, `payloads/${key}/kill`)
      const answer = await expectJson(await call({ method: 'POST', url, signal }))
      return (answer as { known?: unknown }).known !== false
    },

    async cancel(address, key, signal) {
      const url = beside(address, `payloads/${key}/cancel`)
      await expectJson(await call({ method: 'POST', url, signal }))
    },

    async forget(address, key, signal) {
      const url = beside(address, `payloads/${key}`)
      const response = await call({ method: 'DELETE', url, signal })
      if (response.statusCode >= 300) throw await refusal(response)
      await response.body.dump()
    },

    [Symbol.asyncDispose]: () => agent.destroy(),
  }
}

/** A URL that differs from the upload URL in its last segment. */
function beside({ uploadUrl }: Pick<ClientAddress, 'uploadUrl'>, path: string): URL {
  return new URL(path, uploadUrl)
}

async function* readEvents(
  call: (options: Call) => Promise<Dispatcher.ResponseData>,
  address: ClientAddress,
  serverId: string,
  signal: AbortSignal,
): AsyncGenerator<ClientEvent> {
  const url = beside(address, 'events')
  url.searchParams.set('server', serverId)
  const { statusCode, body } = await call({ method: 'GET', url, signal, bodyTimeout: silentMs })
  if (statusCode !== 200) {
    await body.dump()
    throw statusCode === 404
      ? new Fault('unsupported', 'it has no /events: an older client, or not a client at all')
      : new Fault('unreachable', `/events was answered with ${statusCode}`)
  }
  const events: ClientEvent[] = []
  const parser = createParser({
    onEvent: ({ event: name, data }) => {
      if (name !== undefined && name in clientEvents) {
        events.push({ name, data: JSON.parse(data) } as ClientEvent)
      }
    },
  })
  const decoder = new TextDecoder()
  try {
    for await (const chunk of body) {
      parser.feed(decoder.decode(chunk as Uint8Array, { stream: true }))
      yield* events.splice(0)
    }
  } catch (error) {
    throw asUnreachable(error)
  }
}

async function readSubmitAnswer(response: Dispatcher.ResponseData): Promise<SubmitAnswer> {
  const { statusCode } = response
  if (statusCode === 200) {
    const { id, instance } = (await readJson(response)) as { id?: unknown; instance?: unknown }
    return typeof id === 'number' && typeof instance === 'string'
      ? { is: 'accepted', payloadId: id, instance }
      : { is: 'unknown', reason: 'the client answered with something else than a payload' }
  }
  const { message: reason } = await refusal(response)
  // Being received by an earlier sending that hangs: it will be there, or not, soon.
  if (statusCode === 409) return { is: 'unknown', reason }
  if (statusCode === 400 || statusCode === 413 || statusCode === 422) {
    return { is: 'refused', reason }
  }
  return { is: 'not now', reason, fault: troublesOfClient.has(statusCode) ? 'client' : 'job' }
}

async function expectZip(response: Dispatcher.ResponseData): Promise<Readable> {
  if (response.statusCode === 200) return response.body
  throw await refusal(response)
}

async function expectJson(response: Dispatcher.ResponseData): Promise<unknown> {
  if (response.statusCode !== 200) throw await refusal(response)
  return readJson(response)
}

/** What the client said when it refused, as a fault. */
async function refusal(response: Dispatcher.ResponseData): Promise<Fault> {
  const { statusCode } = response
  const answer = await readJson(response).catch(() => undefined)
  const said = (answer as { message?: unknown } | undefined)?.message
  const message = typeof said === 'string' ? said : 'no reason was given'
  return new Fault('unreachable', `the client answered ${statusCode}: ${message}`)
}

async function readJson({ body }: Dispatcher.ResponseData): Promise<unknown> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    sizeBytes += chunk.byteLength
    if (sizeBytes > longestAnswerBytes) throw new Error('the answer is too long')
    chunks.push(chunk)
  }
  return JSON.parse(Buffer.concat(chunks).toString())
}

function asUnreachable(error: unknown): unknown {
  if (error instanceof errors.RequestAbortedError || isAbort(error)) return error
  const reasons = error instanceof AggregateError ? error.errors.map(messageOf) : [messageOf(error)]
  return new Fault('unreachable', reasons.filter(Boolean).join('; ') || 'no connection', {
    cause: error,
  })
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}
