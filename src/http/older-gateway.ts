/** The server's calls to clients of version 2.2.3, over HTTP. */
import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { Fault, messageOf } from '../domain/errors.ts'
import { exitFile } from '../domain/marker.ts'
import type { OlderAnswer, OlderGateway, OlderSubmitAnswer, Watch } from '../server/gateway.ts'
import { beside, expectZip, readJson, refusal } from './calls.ts'
import type { Call } from './calls.ts'
import { hasNeverArrived, readRefusedSubmit } from './gateway.ts'
import { olderMultipartBody, watched } from './multipart-body.ts'

/** It measures for a fifth of a second before it answers. */
const loadMs = 5_000
/** So much of an answer to `/submit` is looked at: it begins with the id and goes on with the files. */
const mostIdBytes = 256
/** So much of the end of an answer is kept: what is asked for comes behind the files, if at all. */
const keptBytes = 16 * 1024

/** Calls clients of version 2.2.3. */
export function olderGateway(call: Call): OlderGateway {
  return {
    async load(address, signal) {
      const url = beside(address, 'load')
      const response = await call({ method: 'GET', url, signal, headersTimeout: loadMs })
      const load = response.statusCode === 200 ? await readLoad(response) : undefined
      if (load !== undefined) return load
      if (!response.body.closed) await response.body.dump()
      throw new Fault('unsupported', `${url.href} is not that of a client: it tells no load`)
    },

    async submit(address, files, marker, { signal, onProgress }) {
      // The directory may be that of a payload of an earlier life, whose exit code would count.
      const body = olderMultipartBody(files, [marker, { name: exitFile, content: '' }])
      let isSent = false
      const noteProgress: Watch['onProgress'] = (progress) => {
        isSent = progress.isSent
        onProgress(progress)
      }
      try {
        const response = await call({
          method: 'POST',
          url: address.uploadUrl,
          headers: { 'content-type': body.contentType, 'content-length': String(body.sizeBytes) },
          body: Readable.from(watched(body.content(), noteProgress), { objectMode: false }),
          signal,
        })
        return await readSubmitAnswer(response)
      } catch (error) {
        if (signal.aborted) throw error
        const reason = messageOf(error)
        return isSent && !hasNeverArrived(error)
          ? { is: 'unanswered', reason }
          : { is: 'not now', reason, fault: 'client' }
      }
    },

    async ask({ downloadUrl }, payloadId, signal) {
      const response = await call({ method: 'GET', url: `${downloadUrl}/${payloadId}`, signal })
      return readAnswer(response)
    },

    async partial({ downloadUrl }, payloadId, signal) {
      const url = new URL(`retrieve_partial/${payloadId}`, downloadUrl)
      const response = await call({ method: 'GET', url, signal })
      if (response.statusCode === 404) throw await missing(response, payloadId)
      return expectZip(response)
    },

    async kill({ terminateUrl }, payloadId, signal) {
      const response = await call({ method: 'POST', url: `${terminateUrl}/${payloadId}`, signal })
      if (response.statusCode === 404) throw await missing(response, payloadId)
      if (response.statusCode >= 300) throw await refusal(response)
      await response.body.dump()
    },
  }
}

async function readLoad(response: Dispatcher.ResponseData): Promise<number | undefined> {
  const load = await readJson(response).catch(() => undefined)
  if (typeof load !== 'number') return undefined
  return Math.min(100, Math.max(0, Math.round(load * 10) / 10))
}

async function missing(response: Dispatcher.ResponseData, payloadId: number): Promise<Fault> {
  await response.body.dump()
  return new Fault('not_found', `the client knows no payload ${payloadId}`)
}

/** It answers with the whole upload as arrays of numbers: the id is read, and no more. */
async function readSubmitAnswer(response: Dispatcher.ResponseData): Promise<OlderSubmitAnswer> {
  if (response.statusCode !== 200) {
    const refused = await readRefusedSubmit(response)
    return refused.is === 'unknown' ? { ...refused, is: 'unanswered' } : refused
  }
  let text = ''
  for await (const chunk of response.body) {
    text += Buffer.from(chunk as Uint8Array).toString('latin1')
    const id = /^\s*\{\s*"id"\s*:\s*(\d+)\s*[,}]/.exec(text)?.[1]
    if (id !== undefined) return { is: 'accepted', payloadId: Number(id) }
    if (text.length > mostIdBytes) break
  }
  return { is: 'unanswered', reason: 'the client answered with something else than a payload' }
}

async function readAnswer(response: Dispatcher.ResponseData): Promise<OlderAnswer> {
  const { statusCode, headers, body } = response
  if (statusCode === 404) {
    await body.dump()
    return { is: 'missing' }
  }
  if (statusCode !== 200) throw await refusal(response)
  if (String(headers['content-type']).includes('application/zip')) {
    return { is: 'result', content: body }
  }
  let end = ''
  for await (const chunk of body) {
    end = (end + Buffer.from(chunk as Uint8Array).toString('latin1')).slice(-keptBytes)
  }
  const status = /"status"\s*:\s*"(\w+)"/.exec(end)?.[1]
  const pid = /"pid"\s*:\s*(\d+)/.exec(end)?.[1]
  if (status === undefined) throw new Fault('unreachable', 'the client told no status')
  return { is: 'status', status, pid: Number(pid ?? 0) }
}
