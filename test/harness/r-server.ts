/**
 * The half of a 2.2.3 server that talks to clients, as that program does it: what it sends is what
 * was seen on the wire, and it understands what it gets as strictly.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { send } from './raw.ts'
import type { Answer } from './raw.ts'

/** Between two looks at a job, as in that program. */
const pollMs = 500

/** Its statuses; any other cannot be read. */
const statuses = new Set([
  'Queued',
  'Processing',
  'Submitted',
  'Prepared',
  'Running',
  'Cleaned',
  'Completed',
  'Failed',
  'Invalid',
  'Unknown',
  'Locked',
  'Killed',
])

/** In these it asks again; any other is stored for good. */
const unsettled = new Set(['Submitted', 'Prepared', 'Running'])

type Payload = { readonly id: number; readonly status: string }

/** A job as that server has it: `status` is what it would tell an application. */
export type RJob = {
  readonly payload: number
  status: string
  zip: Buffer | undefined
  /** Everything that it was told, in order, repetitions left out. */
  readonly told: string[]
}

export class RServer {
  readonly #uploadUrl: string
  readonly #downloadUrl: string
  readonly #terminateUrl: string

  /** @param client its address; the URLs are configured as its documentation shows. */
  constructor(client: string) {
    this.#uploadUrl = `${client}/submit`
    this.#downloadUrl = `${client}/retrieve`
    this.#terminateUrl = `${client}/kill`
  }

  /**
   * Sends a job once.
   *
   * @param files contents by relative paths.
   * @throws when the answer is not what it needs; there the job is `Failed` then, for good.
   */
  async submit(files: Readonly<Record<string, string | Buffer>>): Promise<RJob> {
    const boundary = Array.from({ length: 4 }, () => randomBytes(8).toString('hex')).join('-')
    const body = multipart(boundary, files)
    const headers = {
      'content-type': `multipart/form-data; boundary=${boundary}`,
      'content-length': String(body.byteLength),
      accept: '*/*',
    }
    const answer = await send('POST', this.#uploadUrl, headers, body)
    if (!isSuccess(answer)) {
      throw new Error(`Failed: ${answer.status} ${answer.body.toString()}`)
    }
    const { id } = readPayload(answer.body.toString())
    return { payload: id, status: 'Submitted', zip: undefined, told: [] }
  }

  /** Asks once, and stores whatever it is told; a refusal changes nothing. */
  async retrieve(job: RJob): Promise<void> {
    const answer = await send('GET', `${this.#downloadUrl}/${job.payload}`, { accept: '*/*' })
    const isZip = answer.headers['content-type']?.includes('application/zip') ?? false
    if (answer.status === 200 && isZip) {
      job.zip = answer.body
      job.status = 'Completed'
    } else if (isSuccess(answer)) {
      job.status = readPayload(answer.body.toString()).status
      if (job.told.at(-1) !== job.status) job.told.push(job.status)
    }
  }

  /** Asks until it would ask no more. A client that cannot be reached changes nothing. */
  async settle(job: RJob): Promise<void> {
    for (let rounds = 0; unsettled.has(job.status); rounds++) {
      if (rounds > 120) throw new Error(`it is ${job.status} for a minute`)
      if (rounds > 0) await delay(pollMs)
      await this.retrieve(job).catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code === undefined) throw error
      })
    }
  }

  /** Its files as they are now. */
  async partial({ payload }: RJob): Promise<Buffer> {
    const url = this.#downloadUrl.replace(/[^/]*$/, 'retrieve_partial')
    const { status, headers, body } = await send('GET', `${url}/${payload}`, { accept: '*/*' })
    if (status !== 200 || !headers['content-type']?.includes('application/zip')) {
      throw new Error(`${status} ${body.toString()}`)
    }
    return body
  }

  /** Terminates a job: `Killed` at once if the client says that all is well, whatever it was. */
  async terminate(job: RJob): Promise<void> {
    const headers = { accept: '*/*' }
    const url = `${this.#terminateUrl}/${job.payload}`
    const outgoing = request(url, { method: 'POST', headers, agent: false })
    // It says nothing at all of a body.
    outgoing.removeHeader('content-length')
    outgoing.removeHeader('transfer-encoding')
    const answered = once(outgoing, 'response')
    outgoing.end()
    const [{ statusCode: status = 0 }] = (await answered) as [IncomingMessage]
    if (!isSuccess({ status })) throw new Error(`could not terminate job: ${status}`)
    job.status = 'Killed'
  }
}

const isSuccess = ({ status }: Pick<Answer, 'status'>) => status >= 200 && status < 300

function multipart(boundary: string, files: Readonly<Record<string, string | Buffer>>): Buffer {
  const parts = Object.entries(files).flatMap(([path, content]) => [
    Buffer.from(`--${boundary}\r\n${disposition(path)}\r\n\r\n`),
    Buffer.from(content),
    Buffer.from('\r\n'),
  ])
  return Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)])
}

/** As reqwest 0.13 writes it. */
export function disposition(path: string): string {
  const encoded = encode(path)
  const name = encoded === path ? `name="${path}"` : `name*=utf-8''${encoded}`
  const base = path.slice(path.lastIndexOf('/') + 1).replaceAll(/[\\"\r\n]/g, '\\$&')
  return `Content-Disposition: form-data; ${name}; filename="${base}"`
}

/** The set of https://url.spec.whatwg.org/#path-percent-encode-set, with `/` and `%`. */
function encode(path: string): string {
  return path.replaceAll(/[^!$&'()*+,\-.0-9:;=@A-Z[\\\]^_a-z|~]/gu, (character) =>
    [...Buffer.from(character)]
      .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
      .join(''),
  )
}

/** Reads a payload as its deserializer does: every field, of its type; more fields are ignored. */
function readPayload(text: string): Payload {
  const value = JSON.parse(text) as Record<string, unknown>
  const { id, input, status, loc, pid, killed } = value
  const isInput =
    typeof input === 'object' &&
    input !== null &&
    !Array.isArray(input) &&
    Object.values(input).every((bytes) => Array.isArray(bytes) && bytes.every(isByte))
  if (
    isU32(id) &&
    isInput &&
    typeof status === 'string' &&
    statuses.has(status) &&
    typeof loc === 'string' &&
    isU32(pid) &&
    typeof killed === 'boolean'
  ) {
    return { id, status }
  }
  throw new Error(`it cannot read ${text}`)
}

const isU32 = (value: unknown): value is number =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) < 2 ** 32
const isByte = (value: unknown) => isU32(value) && value < 256
