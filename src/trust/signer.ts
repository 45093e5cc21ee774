/** The server's half: signs what goes to clients. */
import { createHash, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { Current } from './from-files.ts'
import type { Manifest } from './manifest.ts'
import type { Secrets } from './secrets.ts'
import { readChallenge, signFiles, signHead, writeAuthorization } from './signature.ts'
import type { Claims, RequestHead } from './signature.ts'

/** One request that is being signed: its head first, then, where there are any, its files. */
export class Signing {
  readonly #secret: KeyObject
  readonly #claims: Claims

  constructor(secret: KeyObject, claims: Claims) {
    this.#secret = secret
    this.#claims = claims
  }

  /** Which process it is meant for; empty if that was not known. */
  get realm(): string {
    return this.#claims.realm
  }

  /** The `Authorization` header. */
  authorize(head: RequestHead): string {
    return writeAuthorization(this.#claims, signHead(this.#secret, head, this.#claims))
  }

  /** The content of the last part of the body: always of the same length. */
  seal(manifest: Manifest): string {
    return signFiles(this.#secret, this.#claims, manifest.digest()).toString('hex')
  }
}

export class Signer {
  readonly #secrets: Current<Secrets>
  readonly #sender = randomBytes(8).toString('hex')
  #count = 0
  /** By origin: how the process there names itself. */
  readonly #realms = new Map<string, string>()

  constructor(secrets: Current<Secrets>) {
    this.#secrets = secrets
  }

  /**
   * Begins to sign a request, which is sent once: what is sent again is signed anew.
   *
   * @param origin where it goes.
   * @param options the options part of its body.
   */
  begin(origin: string, options?: string): Signing {
    return new Signing(this.#secrets.value[0], {
      realm: this.#realms.get(origin) ?? '',
      sender: this.#sender,
      count: ++this.#count,
      timeMs: Date.now(),
      options: options === undefined ? '' : createHash('sha256').update(options).digest('hex'),
    })
  }

  /**
   * Learns from a refusal which process there is at an origin.
   *
   * @param challenge its `WWW-Authenticate` header.
   * @returns whether what was refused was meant for another one: signed anew it may be taken.
   */
  learn(origin: string, refused: Signing, challenge: string | undefined): boolean {
    const realm = challenge === undefined ? undefined : readChallenge(challenge)
    if (realm === undefined || realm === refused.realm) return false
    this.#realms.set(origin, realm)
    return true
  }
}
