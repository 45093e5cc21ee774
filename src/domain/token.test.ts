import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  hashToken,
  isToken,
  maskTokens,
  parseTokenName,
  tokenIdBytes,
  tokenIdOf,
  tokenSecretBytes,
  tokenState,
  writeToken,
} from './token.ts'
import { Wrong } from './units.ts'

const token = writeToken('00c0ffee', new Uint8Array(tokenSecretBytes).fill(0xab))

test('a token says that it is one, and which', () => {
  assert.equal(token, `jo_00c0ffee_${'ab'.repeat(32)}`)
  assert.equal(tokenIdOf(token), '00c0ffee')
  assert.equal(tokenIdOf(token)?.length, 2 * tokenIdBytes)
  const { length } = token
  for (const wrong of [
    '',
    'jo_00c0ffee_',
    token.slice(0, length - 1),
    `${token}0`,
    `${token}\n`,
    ` ${token}`,
    token.toUpperCase(),
    token.replace('jo_', 'xx_'),
  ]) {
    assert.equal(tokenIdOf(wrong), undefined, JSON.stringify(wrong))
  }
})

test('only the very same token is that of a hash', () => {
  const hash = hashToken(token)
  assert.equal(hash.byteLength, 32)
  assert.ok(isToken(token, hash))
  for (let at = 0; at < token.length; at++) {
    const other = `${token.slice(0, at)}${token[at] === '0' ? '1' : '0'}${token.slice(at + 1)}`
    assert.equal(isToken(other, hash), false, other)
  }
})

const state = (expiresAtMs: number | null, revokedAtMs: number | null) =>
  tokenState({ expiresAtMs, revokedAtMs }, 1_000)

test('a token is valid until it is revoked or its time is over', () => {
  assert.equal(state(null, null), 'valid')
  assert.equal(state(1_001, null), 'valid')
  assert.equal(state(1_000, null), 'expired')
  assert.equal(state(null, 900), 'revoked')
  // Also by a clock that has been put back.
  assert.equal(state(900, 2_000), 'revoked')
})

test('a name is a word that is no id', () => {
  for (const name of ['portal', 'a', 'Portal-2.test_x', 'deadbeef0', `a${'b'.repeat(63)}`]) {
    assert.equal(parseTokenName(name), name)
  }
  for (const name of ['', '1a', '-a', 'a b', 'a/b', 'é', 'deadbeef', `a${'b'.repeat(64)}`]) {
    assert.ok(parseTokenName(name) instanceof Wrong, name)
  }
})

test('what is masked tells which token it was, and not what', () => {
  const text = `GET /jobs/1?token=${token}&x=${token.toUpperCase()} Bearer ${token}.`
  const masked = maskTokens(text)
  assert.equal(
    masked,
    'GET /jobs/1?token=jo_00c0ffee_***&x=JO_00C0FFEE_*** Bearer jo_00c0ffee_***.',
  )
  assert.equal(maskTokens('nothing of that kind'), 'nothing of that kind')
})
