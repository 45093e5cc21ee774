import { once } from 'node:events'
import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { json } from 'node:stream/consumers'
import { field, file, formType, multipart } from './raw.ts'

/** A form of which the second half is sent when the test wants it to be. */
export class SlowUpload {
  readonly #request
  readonly #rest: Buffer

  constructor(url: string, script: string, extra: Readonly<Record<string, string>> = {}) {
    const parts = [field('user_id', '1'), field('service', 'example'), file('run.sh', script)]
    const body = multipart(parts)
    const half = body.length - 10 // within the last boundary
    this.#rest = body.subarray(half)
    const headers = { 'content-type': formType, 'content-length': body.length, ...extra }
    this.#request = request(url, { method: 'POST', headers, agent: false })
    this.#request.on('error', () => {}) // told by `finish`
    this.#request.write(body.subarray(0, half))
  }

  /** Sends the rest, and resolves with the answer. */
  async finish(): Promise<{ status: number | undefined; body: Record<string, unknown> }> {
    const answered = once(this.#request, 'response')
    this.#request.end(this.#rest)
    const [response] = (await answered) as [IncomingMessage]
    return { status: response.statusCode, body: (await json(response)) as Record<string, unknown> }
  }

  /** Breaks the connection. */
  breakOff(): void {
    this.#request.destroy()
  }

  /** Resolves when the other side has cut the connection. */
  async cut(): Promise<void> {
    if (!this.#request.destroyed) await once(this.#request, 'close')
  }
}
