/** Requests byte by byte, as no decent library would send them. */
import { request as requestPlainly } from 'node:http'
import { request as requestSecurely } from 'node:https'
import type { IncomingHttpHeaders } from 'node:http'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { finished } from 'node:stream/promises'
import type { JobReply } from '../../src/domain/protocol.ts'

const boundary = 'the-boundary'
export const formType = `multipart/form-data; boundary=${boundary}`

/** A part: what stands in its head after `form-data; `, and its content. */
export type RawPart = readonly [disposition: string, content: string | Uint8Array]

export const field = (name: string, value: string): RawPart => [`name="${name}"`, value]
export const file = (name: string, content: string | Uint8Array = ''): RawPart => [
  `name="file"; filename="${name}"`,
  content,
]

/** The body of a form. */
export function multipart(parts: readonly RawPart[]): Buffer {
  const pieces = parts.flatMap(([disposition, content]) => [
    Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n`),
    Buffer.from(content),
    Buffer.from('\r\n'),
  ])
  return Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)])
}

export type Answer = {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** Whom to believe, and what to show, in PEM. */
export type TlsOptions = { readonly ca: string; readonly cert: string; readonly key: string }

/** Sends a request; a body in pieces goes without Content-Length. */
export async function send(
  method: string,
  url: string,
  headers: Readonly<Record<string, string>> = {},
  body: Buffer | readonly Buffer[] = [],
  tls?: TlsOptions,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const request = tls ? requestSecurely : requestPlainly
  const outgoing = request(url, { method, headers, agent: false, ...tls }, (incoming) => {
    const { statusCode: status = 0, headers: got } = incoming
    buffer(incoming).then((content) => resolve({ status, headers: got, body: content }), reject)
  })
  outgoing.on('error', reject)
  if (Buffer.isBuffer(body)) outgoing.end(body)
  else Readable.from(body).pipe(outgoing)
  const answer = await promise
  // Whoever answers early has to let us finish.
  if (!outgoing.writableFinished) await finished(outgoing).catch(() => {})
  return answer
}

export type UploadAnswer = {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: JobReply
}

/** Sends a form to `/upload`, with the usual fields unless others are given. */
export async function uploadRaw(
  address: string,
  files: readonly RawPart[],
  fields: readonly RawPart[] = [field('user_id', '1'), field('service', 'example')],
  headers: Readonly<Record<string, string>> = {},
): Promise<UploadAnswer> {
  const form = multipart([...fields, ...files])
  const all = { 'content-type': formType, ...headers }
  const answer = await send('POST', `${address}/upload`, all, form)
  return { ...answer, body: JSON.parse(answer.body.toString()) as JobReply }
}
