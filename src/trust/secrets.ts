/** The secret that servers and clients share. */
import { createSecretKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { Fault } from '../domain/errors.ts'
import { readPrivate } from './private-file.ts'

const leastCharacters = 32

/**
 * One, or two while one takes the other's place: a server signs with the first, a client accepts
 * either. No log and no error shows what is in a `KeyObject`.
 */
export type Secrets = readonly [KeyObject, ...KeyObject[]]

export type ClusterSecret = {
  readonly secrets: Secrets
  /** Is read again when it changes; `null`: they came by the environment. */
  readonly file: string | null
}

/**
 * One secret a line, two at most.
 *
 * @throws Fault `invalid`, without anything of the text.
 */
export function parseSecrets(text: string): Secrets {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  if (lines.length > 2) {
    throw new Fault('invalid', `expected one secret, or two lines of one each, got ${lines.length}`)
  }
  if (lines.some((line) => line.length < leastCharacters)) {
    throw new Fault(
      'invalid',
      `a secret has at least ${leastCharacters} characters; make one with: openssl rand -hex 32`,
    )
  }
  const [first, ...others] = lines.map((line) => createSecretKey(Buffer.from(line)))
  if (!first) throw new Fault('invalid', 'it is empty')
  return [first, ...others]
}

/** @throws Fault `invalid`, which names the file, and nothing of what is in it. */
export function readSecretFile(file: string): Secrets {
  const text = readPrivate(file)
  try {
    return parseSecrets(text)
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    throw new Fault('invalid', `${file}: ${error.message}`, { cause: error })
  }
}
