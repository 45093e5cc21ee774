/** The client's half: lets through what a server has signed for it, once. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { Fault } from '../domain/errors.ts'
import type { Log } from '../log.ts'
import type { Current } from './from-files.ts'
import type { Manifest } from './manifest.ts'
import { Nonces } from './nonces.ts'
import type { Secrets } from './secrets.ts'
import { readAuthorization, signFiles, signHead, writeChallenge } from './signature.ts'
import type { Claims, RequestHead } from './signature.ts'

/** So far the clocks of a server and a client may be apart. */
const mostSkewMs = 5 * 60_000

/** So many kinds of refusals, by whom, are told in the log. */
const mostTold = 1000

/** A request that has come. */
export type Arrival = RequestHead & {
  readonly authorization: string | undefined
  /** Address of the sender, for the log. */
  readonly from: string
}

/** Who has sent a request, as far as its body is to be held against it. */
export class Proof {
  readonly #secret: KeyObject
  readonly #claims: Claims

  constructor(secret: KeyObject, claims: Claims) {
    this.#secret = secret
    this.#claims = claims
  }

  areOptions(text: string): boolean {
    return this.#claims.options === createHash('sha256').update(text).digest('hex')
  }

  areFiles(manifest: Manifest, seal: string): boolean {
    const right = signFiles(this.#secret, this.#claims, manifest.digest())
    const given = Buffer.from(seal, 'hex')
    return given.byteLength === right.byteLength && timingSafeEqual(given, right)
  }
}

export class Verifier {
  /** Random, so that what was signed for another process, or an earlier one, means nothing here. */
  readonly #realm = randomBytes(16).toString('hex')
  readonly #secrets: Current<Secrets>
  readonly #log: Log
  readonly #nonces = new Nonces(2 * mostSkewMs)
  readonly #told = new Set<string>()

  constructor(secrets: Current<Secrets>, log: Log) {
    this.#secrets = secrets
    this.#log = log
  }

  /** `WWW-Authenticate` of every refusal. */
  get challenge(): string {
    return writeChallenge(this.#realm)
  }

  /** @throws Fault `unauthenticated` */
  verify(arrival: Arrival): Proof {
    const { authorization } = arrival
    const read = authorization === undefined ? undefined : readAuthorization(authorization)
    if (!read) {
      const why = 'it is not signed: this client has a cluster secret (CLUSTER_SECRET_FILE)'
      const who = 'a server without one, or of version 2.2.3, cannot use this client'
      throw this.refuse(arrival, 'unsigned', why, who)
    }
    const { claims, signature } = read
    const secret = this.#secrets.value.find((one) =>
      timingSafeEqual(signHead(one, arrival, claims), signature),
    )
    if (!secret) {
      const why = 'its signature is wrong: the cluster secrets differ, or it was altered on the way'
      throw this.refuse(arrival, 'wrong', why)
    }
    // No news: a server learns from this refusal which process it talks to.
    if (claims.realm !== this.#realm) {
      throw new Fault('unauthenticated', 'it was signed for another process than this one')
    }
    const now = Date.now()
    if (Math.abs(now - claims.timeMs) > mostSkewMs) {
      const why =
        `its clock was at ${timeOf(claims.timeMs)}, the one here is at ${timeOf(now)}: ` +
        `they may be ${mostSkewMs / 60_000} min apart`
      throw this.refuse(arrival, 'time', why)
    }
    if (!this.#nonces.take(claims.sender, claims.count, performance.now())) {
      throw this.refuse(arrival, 'again', 'it has come before')
    }
    return new Proof(secret, claims)
  }

  /**
   * Says in the log, once for each kind and sender, that something was refused.
   *
   * @param more for the log alone.
   */
  refuse(
    { method, path, from }: Omit<Arrival, 'key'>,
    kind: string,
    why: string,
    more = '',
  ): Fault {
    const news = `${kind} ${from}`
    if (!this.#told.has(news) && this.#told.size < mostTold) {
      this.#told.add(news)
      const advice = more === '' ? '' : `; ${more}`
      this.#log.warn({ from, kind }, `${method} ${path} from ${from} is refused: ${why}${advice}`)
    }
    return new Fault('unauthenticated', why)
  }
}

function timeOf(ms: number): string {
  return new Date(Math.min(ms, 8.64e15)).toISOString()
}
