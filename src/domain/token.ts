/**
 * API tokens: `jo_`, an id that is no secret, and 256 random bits. By its id a token is found, and
 * by the hash of the whole of it recognised. So many bits are not guessed: a fast hash is right.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Access } from './access.ts'
import { Wrong } from './units.ts'

/** What is known of a token; not what it is. */
export type Token = Access & {
  /** 8 hexadecimal digits, which stand in the token too. */
  readonly id: string
  readonly name: string
  readonly createdAtMs: number
  /** `null`: never. */
  readonly expiresAtMs: number | null
  readonly revokedAtMs: number | null
}

/** Random bytes of an id, and of what is secret. */
export const tokenIdBytes = 4
export const tokenSecretBytes = 32

const tokenForm = /^jo_([0-9a-f]{8})_[0-9a-f]{64}$/
const idForm = /^[0-9a-f]{8}$/
const nameForm = /^[A-Za-z][\w.-]{0,63}$/

/** The token itself, which is told once. */
export function writeToken(id: string, secret: Uint8Array): string {
  return `jo_${id}_${Buffer.from(secret).toString('hex')}`
}

/** The id that stands in a token; `undefined` if it is none. */
export function tokenIdOf(text: string): string | undefined {
  return tokenForm.exec(text)?.[1]
}

/** SHA-256 of the whole of it. */
export function hashToken(token: string): Uint8Array {
  return createHash('sha256').update(token).digest()
}

/** Whether that is the token of this hash, in a time that does not tell how much of it is right. */
export function isToken(token: string, hash: Uint8Array): boolean {
  return timingSafeEqual(hashToken(token), hash)
}

/** Whether a token can be used, or why it cannot. */
export function tokenState(
  { expiresAtMs, revokedAtMs }: Pick<Token, 'expiresAtMs' | 'revokedAtMs'>,
  nowMs: number,
): 'valid' | 'expired' | 'revoked' {
  if (revokedAtMs !== null) return 'revoked'
  return expiresAtMs !== null && expiresAtMs <= nowMs ? 'expired' : 'valid'
}

/** A name for people; it cannot be taken for an id. */
export function parseTokenName(text: string): string | Wrong {
  return nameForm.test(text) && !idForm.test(text)
    ? text
    : new Wrong('a letter, then up to 63 letters, digits and . _ -, but not just 8 of 0-9 a-f')
}

/** The same text without the secrets of tokens: for what may be seen by others. */
export function maskTokens(text: string): string {
  return text.replaceAll(/(jo_[0-9a-f]{8})_[0-9a-f]{64}/gi, '$1_***')
}
