/**
 * What is signed of a request from a server to a client, and how it is written: HMAC-SHA-256 over a
 * few lines, which stand in docs/api.md. Changing them is changing what is on the wire.
 */
import { createHmac } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

const scheme = 'Job-Orchestrator'

/** The text part of a `/submit` that comes last, with the signature of its files. */
export const sealPart = 'job-orchestrator-seal'

/** A signature in hexadecimal. */
export const sealBytes = 64

/** What an `Authorization` header says. */
export type Claims = {
  /** Names the process that the request is meant for; empty before it is known. */
  readonly realm: string
  /** Which process has signed this, and which number it has there. */
  readonly sender: string
  readonly count: number
  readonly timeMs: number
  /** SHA-256 of the options part of `/submit`; empty where there is none. */
  readonly options: string
}

/** What a request is, without its body. */
export type RequestHead = {
  readonly method: string
  /** With its query, as it stands in the first line of the request. */
  readonly path: string
  /** Its `job-key` header, empty without one. */
  readonly key: string
}

const nonceOf = ({ sender, count }: Claims) => `${sender}-${count}`

export function signHead(secret: KeyObject, head: RequestHead, claims: Claims): Buffer {
  return sign(secret, [
    'job-orchestrator request 1',
    head.method,
    head.path,
    head.key,
    claims.realm,
    nonceOf(claims),
    String(claims.timeMs),
    claims.options,
  ])
}

/** @param manifest the digest of the files, see `Manifest`. */
export function signFiles(secret: KeyObject, claims: Claims, manifest: string): Buffer {
  return sign(secret, ['job-orchestrator files 1', claims.realm, nonceOf(claims), manifest])
}

function sign(secret: KeyObject, lines: readonly string[]): Buffer {
  return createHmac('sha256', secret).update(lines.join('\n')).digest()
}

export function writeAuthorization(claims: Claims, signature: Buffer): string {
  const { realm, timeMs, options } = claims
  return (
    `${scheme} realm="${realm}", nonce="${nonceOf(claims)}", time="${timeMs}", ` +
    `options="${options}", signature="${signature.toString('hex')}"`
  )
}

const form = new RegExp(
  `^${scheme} realm="([0-9a-f]{0,32})", nonce="([0-9a-f]{16})-([1-9]\\d{0,15})", ` +
    'time="(\\d{1,16})", options="([0-9a-f]{64}|)", signature="([0-9a-f]{64})"$',
)

/** `undefined` if it is none of ours. */
export function readAuthorization(
  text: string,
): { readonly claims: Claims; readonly signature: Buffer } | undefined {
  const [whole, realm = '', sender = '', count, time, options = '', signature = ''] =
    form.exec(text) ?? []
  if (whole === undefined) return undefined
  const claims = { realm, sender, count: Number(count), timeMs: Number(time), options }
  const isSafe = Number.isSafeInteger(claims.count) && Number.isSafeInteger(claims.timeMs)
  return isSafe ? { claims, signature: Buffer.from(signature, 'hex') } : undefined
}

/** How a client names itself when it refuses: `WWW-Authenticate`. */
export const writeChallenge = (realm: string) => `${scheme} realm="${realm}"`

export function readChallenge(text: string): string | undefined {
  return new RegExp(`^${scheme} realm="([0-9a-f]{32})"$`).exec(text)?.[1]
}
