/** The server's calls to clients, over HTTP. */
import { Readable } from 'node:stream'
import { createParser } from 'eventsource-parser'
import type { Dispatcher } from 'undici'
import { Fault, messageOf, systemCode } from '../domain/errors.ts'
import type { ClientAddress } from '../domain/job.ts'
import { clientEvents, heartbeatMs, keyHeader, optionsPart } from '../domain/protocol.ts'
import type { ClientEvent } from '../domain/protocol.ts'
import type { ClientGateway, SubmitAnswer } from '../server/gateway.ts'
import { asUnreachable, beside, expectJson, expectZip, readJson, refusal } from './calls.ts'
import type { Call, Calls } from './calls.ts'
import { hasFailedToConnect } from './connector.ts'
import { multipartBody, watched } from './multipart-body.ts'

/** Longest event: a snapshot of a hundred thousand payloads has half of it. */
const longestEventCharacters = 64 * 1024 * 1024

/** A stream without any byte for so long is dead. */
const silentMs = 3 * heartbeatMs

/** After these nothing has reached the other side. */
const neverArrived = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
])

/** No slot, no client at that address at all, one that does not know us, or a way that stands still. */
const troublesOfClient = new Set([401, 404, 405, 408, 415, 503])

/** A small body goes out in one piece, together with its head. */
const smallBodyBytes = 64 * 1024

/** Calls clients over HTTP. */
export function httpGateway({ call, connections, signer }: Calls): ClientGateway {
  const isSigned = signer !== undefined
  return {
    events: (address, serverId, signal) => readEvents(call, isSigned, address, serverId, signal),

    async submit(address, options, files, { signal, onProgress }) {
      const text = JSON.stringify(options)
      const signing = signer?.begin(new URL(address.uploadUrl).origin, text)
      const body = multipartBody({ [optionsPart]: text }, files, signing)
      try {
        const isSmall = body.sizeBytes <= smallBodyBytes
        const content = body.content()
        const answered = call({
          method: 'POST',
          url: address.uploadUrl,
          headers: {
            'content-type': body.contentType,
            'content-length': String(body.sizeBytes),
          },
          body: isSmall
            ? Buffer.concat(await Array.fromAsync(content))
            : Readable.from(watched(content, onProgress), { objectMode: false }),
          signing,
          signal,
        })
        if (isSmall) onProgress({ leftBytes: body.sizeBytes, isSent: true })
        const response = await answered
        return await readSubmitAnswer(response)
      } catch (error) {
        if (signal.aborted) throw error
        const reason = messageOf(error)
        return hasNeverArrived(error)
          ? { is: 'not now', reason, fault: 'client' }
          : { is: 'unknown', reason }
      }
    },

    async result(address, key, signal) {
      const response = await call({ method: 'GET', url: beside(address, `result/${key}`), signal })
      // It has it no more, or not whole: as if it were not what was announced.
      if (response.statusCode === 410) {
        throw new Fault('conflict', (await refusal(response)).message)
      }
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

    async forget(address, keys, signal) {
      const url = beside(address, `payloads/${keys.join(',')}`)
      const response = await call({ method: 'DELETE', url, signal })
      if (response.statusCode >= 300) throw await refusal(response)
      await response.body.dump()
    },

    markConnections: ({ uploadUrl }) => connections.mark(new URL(uploadUrl).origin),
  }
}

/** Whether a call failed before anything of it reached the other side. */
export function hasNeverArrived(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (hasFailedToConnect(error.cause)) return true
  if (!neverArrived.has(systemCode(error.cause) ?? '')) return false
  // An open connection may fail with the same code, when routers say why nothing is answered on it.
  const { syscall } = error.cause as { syscall?: unknown }
  return syscall !== 'read' && syscall !== 'write'
}

async function* readEvents(
  call: Call,
  isSigned: boolean,
  address: ClientAddress,
  serverId: string,
  signal: AbortSignal,
): AsyncGenerator<ClientEvent> {
  const url = beside(address, 'events')
  url.searchParams.set('server', serverId)
  const response = await call({
    method: 'GET',
    url,
    signal,
    headersTimeout: silentMs,
    bodyTimeout: silentMs,
  })
  const { statusCode, body } = response
  if (statusCode === 401) throw new Fault('unauthenticated', (await refusal(response)).message)
  if (statusCode !== 200) {
    await body.dump()
    if (statusCode !== 404) {
      throw new Fault('unreachable', `/events was answered with ${statusCode}`)
    }
    const what = 'it has no /events: an older client, or not a client at all'
    // One that cannot check signatures gets no jobs from a server that has a secret.
    throw isSigned
      ? new Fault(
          'unauthenticated',
          `${what}; with a cluster secret, clients of 2.2.3 are not used`,
        )
      : new Fault('not_found', what)
  }
  const events: ClientEvent[] = []
  const parser = createParser({
    maxBufferSize: longestEventCharacters,
    onEvent: ({ event: name, data }) => {
      if (name !== undefined && Object.hasOwn(clientEvents, name)) {
        events.push({ name, data: parseEvent(name, data) } as ClientEvent)
      }
    },
    onError: ({ type }) => {
      // Anything else is to be ignored, as what later versions may send.
      if (type !== 'max-buffer-size-exceeded') return
      throw new Fault('unreachable', `the client sent an event without an end`)
    },
  })
  const decoder = new TextDecoder()
  try {
    for await (const chunk of body) {
      parser.feed(decoder.decode(chunk as Uint8Array, { stream: true }))
      yield* events.splice(0)
    }
  } catch (error) {
    throw error instanceof Fault ? error : asUnreachable(error)
  }
}

function parseEvent(name: string, data: string): unknown {
  try {
    return JSON.parse(data)
  } catch (error) {
    throw new Fault('unreachable', `the client sent a malformed "${name}" event`, { cause: error })
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
  return readRefusedSubmit(response)
}

/** What a refusal of `/submit` means. */
export async function readRefusedSubmit(
  response: Dispatcher.ResponseData,
): Promise<Exclude<SubmitAnswer, { is: 'accepted' }>> {
  const { statusCode } = response
  const { message: reason } = await refusal(response)
  // Being received by an earlier sending that hangs: it will be there, or not, soon.
  if (statusCode === 409) return { is: 'unknown', reason }
  if (statusCode === 400 || statusCode === 413 || statusCode === 422) {
    return { is: 'refused', reason }
  }
  return { is: 'not now', reason, fault: troublesOfClient.has(statusCode) ? 'client' : 'job' }
}
