/** An application as cheap as can be: bodies are made once, connections are kept. */
import { Pool } from 'undici'
import type { Credentials } from '../../test/harness/door.ts'
import type { Sample } from './tasks.ts'

const boundary = 'bench-7d9f0c'

export class Application implements AsyncDisposable {
  readonly #pool: Pool
  readonly #bodies = new Map<number, Buffer>()
  readonly #sample: Sample
  readonly #headers: Readonly<Record<string, string>>

  /** @param atOnce so many connections. */
  constructor(address: string, sample: Sample, atOnce: number, credentials: Credentials = {}) {
    const { token, ca } = credentials
    this.#pool = new Pool(address, {
      connections: atOnce,
      pipelining: 1,
      ...(ca !== undefined && { connect: { ca } }),
    })
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    this.#sample = sample
  }

  /**
   * Sends a job.
   *
   * @returns its id.
   */
  async upload(user: number): Promise<number> {
    const { statusCode, body } = await this.#pool.request({
      method: 'POST',
      path: '/upload',
      headers: {
        ...this.#headers,
        'content-type': `multipart/form-data; boundary=${boundary}`,
      },
      body: this.#body(user),
    })
    const answer = (await body.json()) as { readonly id: number; readonly message: string }
    if (statusCode !== 201)
      throw new Error(`an upload was answered ${statusCode}: ${answer.message}`)
    return answer.id
  }

  /**
   * Waits for a result and downloads it.
   *
   * @throws if there will be none.
   */
  async download(id: number): Promise<void> {
    const path = `/download/${id}?wait=60s`
    const { headers, body } = await this.#pool.request({
      method: 'GET',
      path,
      headers: this.#headers,
    })
    if (headers['content-type'] === 'application/zip') return body.dump()
    const { status, message } = (await body.json()) as { status: string; message: string }
    throw new Error(`job ${id} is ${status}: ${message}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.close()
  }

  #body(user: number): Buffer {
    const made = this.#bodies.get(user)
    if (made) return made
    const { script, files = {} } = this.#sample
    const parts = [
      field('user_id', String(user)),
      field('service', 'example'),
      file('run.sh', script),
      ...Object.entries(files).map(([name, content]) => file(name, content)),
    ]
    const body = Buffer.from(`${parts.join('')}--${boundary}--\r\n`)
    this.#bodies.set(user, body)
    return body
  }
}

function field(name: string, value: string): string {
  return part(`name="${name}"`, value)
}

function file(name: string, content: string): string {
  return part(`name="file"; filename="${name}"`, content)
}

function part(disposition: string, content: string): string {
  return `--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n${content}\r\n`
}
