/**
 * Requests to a client, signed as docs/api.md says, by other code than the program's. What is signed
 * and what is sent may be made to differ.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { formType, multipart, send } from './raw.ts'
import type { Answer, RawPart, TlsOptions } from './raw.ts'

export type SignedFile = readonly [path: string, content: string]

const hash = (text: string) => createHash('sha256').update(text).digest('hex')

export type Request = {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Buffer | undefined
}

/** What may be said otherwise than it is. */
export type Saying = {
  readonly key?: string
  readonly timeMs?: number
  readonly nonce?: string
  readonly realm?: string
}

export class SigningServer {
  readonly #client: string
  readonly #secret: string
  readonly #tls: TlsOptions | undefined
  readonly #sender = randomBytes(8).toString('hex')
  #count = 0
  #realm = ''

  /** @param client its address. */
  constructor(client: string, secret: string, tls?: TlsOptions) {
    this.#client = client
    this.#secret = secret
    this.#tls = tls
  }

  /** Asks the client how it names itself. */
  async meet(): Promise<this> {
    const { headers } = await send('GET', `${this.#client}/load`, {}, [], this.#tls)
    const [, realm] =
      /^Job-Orchestrator realm="(\w+)"$/.exec(headers['www-authenticate'] ?? '') ?? []
    if (realm === undefined) throw new Error('the client does not name itself')
    this.#realm = realm
    return this
  }

  /** A request without a body. */
  request(method: string, path: string, saying: Saying = {}): Request {
    const { key } = saying
    const { authorization } = this.#sign(method, path, saying)
    return {
      method,
      path,
      headers: { authorization, ...(key !== undefined && { 'job-key': key }) },
    }
  }

  /**
   * A `/submit`.
   *
   * @param alter what becomes of its parts on the way: the options, the files, the seal.
   */
  submit(
    options: object,
    files: readonly SignedFile[],
    alter: (parts: RawPart[]) => readonly RawPart[] = (parts) => parts,
  ): Request {
    const text = JSON.stringify(options)
    const { authorization, nonce } = this.#sign('POST', '/submit', {}, hash(text))
    const manifest = files
      .map(([path, content]) => {
        const sizes = `${Buffer.byteLength(content)} ${Buffer.byteLength(path)}`
        return `${hash(content)} ${sizes} ${path}\n`
      })
      .join('')
    const lines = ['job-orchestrator files 1', this.#realm, nonce, hash(manifest)]
    const parts: RawPart[] = [
      ['name="job-orchestrator"', text],
      ...files.map(
        ([path, content]): RawPart => [`name="file"; filename="${path}"`, content] as const,
      ),
      ['name="job-orchestrator-seal"', this.#hmac(lines)],
    ]
    const headers = { authorization, 'content-type': formType }
    return { method: 'POST', path: '/submit', headers, body: multipart(alter(parts)) }
  }

  /** Sends it, as it is or with something changed. */
  async send(request: Request, changed: Partial<Request> = {}): Promise<Answer> {
    const { method, path, headers, body } = { ...request, ...changed }
    return send(method, this.#client + path, headers, body, this.#tls)
  }

  #sign(method: string, path: string, saying: Saying, options = '') {
    const { key = '', timeMs = Date.now(), realm = this.#realm } = saying
    const { nonce = `${this.#sender}-${++this.#count}` } = saying
    const lines = ['job-orchestrator request 1', method, path, key, realm, nonce]
    const signature = this.#hmac([...lines, String(timeMs), options])
    const authorization =
      `Job-Orchestrator realm="${realm}", nonce="${nonce}", time="${timeMs}", ` +
      `options="${options}", signature="${signature}"`
    return { authorization, nonce }
  }

  #hmac(lines: readonly string[]): string {
    return createHmac('sha256', this.#secret).update(lines.join('\n')).digest('hex')
  }
}
