/** The server's API as an application uses it. */
import assert from 'node:assert/strict'
import type { JobDetails, JobReply, ServerHealth } from '../../src/domain/protocol.ts'
import { doorTo } from './door.ts'
import type { Door } from './door.ts'
import type { Program } from './program.ts'
import { readZip } from './zip.ts'
import type { ZipEntries } from './zip.ts'

type Content = string | Uint8Array<ArrayBuffer>

/** Files of an upload by their names, as they are sent. */
export type Files = Readonly<Record<string, Content>>

export type Sending = {
  readonly user?: string
  readonly service?: string
  /** Other fields, such as `max_attempts`. */
  readonly fields?: Readonly<Record<string, string>>
}

const ends = new Set<unknown>(['Completed', 'Failed', 'Invalid', 'Killed'])

export class Api {
  readonly address: string
  readonly #program: Program
  readonly #door: Door

  constructor(address: string, program: Program, token?: string) {
    this.address = address
    this.#program = program
    this.#door = doorTo(address, { token })
  }

  /** The same, with a token. */
  as(token: string): Api {
    return new Api(this.address, this.#program, token)
  }

  /** Any request. */
  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return this.#door.fetch(path, init)
  }

  /** Sends a form, right or wrong. */
  async post(path: string, upload?: FormData): Promise<{ status: number; body: JobReply }> {
    const init = { method: 'POST', ...(upload && { body: upload }) }
    const response = await this.fetch(path, init)
    return { status: response.status, body: (await response.json()) as JobReply }
  }

  /** Sends a job that has to be accepted; a string is its run.sh. */
  async upload(files: Files | string, sending: Sending = {}): Promise<number> {
    const { user = '1', service = 'example', fields = {} } = sending
    const upload = form(files, { user_id: user, service, ...fields })
    const { status, body } = await this.post('/upload', upload)
    assert.equal(status, 201, body.message)
    return body.id
  }

  async get(path: string): Promise<{ status: number; body: JobReply }> {
    const response = await this.fetch(path)
    return { status: response.status, body: (await response.json()) as JobReply }
  }

  async job(id: number): Promise<JobDetails> {
    return (await (await this.fetch(`/jobs/${id}`)).json()) as JobDetails
  }

  async health(): Promise<ServerHealth> {
    return (await (await this.fetch('/health')).json()) as ServerHealth
  }

  terminate(id: number): Promise<{ status: number; body: JobReply }> {
    return this.post(`/terminate/${id}`)
  }

  /** The files of `/download/{id}` or `/download_partial/{id}`; they have to be there. */
  async files(id: number, path: 'download' | 'download_partial' = 'download'): Promise<ZipEntries> {
    const response = await this.fetch(`/${path}/${id}`)
    const body = Buffer.from(await response.arrayBuffer())
    assert.equal(response.headers.get('content-type'), 'application/zip', body.toString())
    return readZip(body)
  }

  /** Resolves when the server logs that a job has got this status. */
  async reached(id: number, status: string): Promise<void> {
    await this.#program.line((line) => line['job'] === id && line['to'] === status)
  }

  /** Resolves with the job when it has ended, however. */
  async ended(id: number, withinMs?: number): Promise<JobDetails> {
    await this.#program.line((line) => line['job'] === id && ends.has(line['to']), withinMs)
    return this.job(id)
  }

  /** Sends a job and waits for its end. */
  async run(files: Files | string, sending: Sending = {}): Promise<JobDetails> {
    return this.ended(await this.upload(files, sending))
  }
}

/** An upload's form. */
export function form(files: Files | string, fields: Readonly<Record<string, string>>): FormData {
  const body = new FormData()
  for (const [name, value] of Object.entries(fields)) body.set(name, value)
  const entries = typeof files === 'string' ? { 'run.sh': files } : files
  for (const [name, content] of Object.entries(entries)) {
    body.append('file', new Blob([content]), name)
  }
  return body
}
