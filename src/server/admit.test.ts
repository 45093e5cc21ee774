import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { test } from 'node:test'
import { fullAccess } from '../domain/access.ts'
import { Fault } from '../domain/errors.ts'
import { hashToken, writeToken } from '../domain/token.ts'
import type { Token } from '../domain/token.ts'
import type { HashedToken } from '../store/tokens.ts'
import { admit, demandScope } from './admit.ts'

const nowMs = 1_000
const portal: Token = {
  ...fullAccess,
  id: '0000aaaa',
  name: 'portal',
  createdAtMs: 0,
  expiresAtMs: null,
  revokedAtMs: null,
}

function secretOf(id: string): string {
  return writeToken(id, new Uint8Array(32).fill(7))
}

function admitWith(tokens: readonly Token[], ...headers: string[]) {
  const held = new Map(
    tokens.map((token): [string, HashedToken] => [
      token.id,
      { token, hash: hashToken(secretOf(token.id)) },
    ]),
  )
  const store = { hasAny: () => held.size > 0, find: (id: string) => held.get(id) }
  return admit({ tokens: store }, headers, nowMs)
}

function refusal(tokens: readonly Token[], ...headers: string[]): string {
  try {
    admitWith(tokens, ...headers)
  } catch (error) {
    assert.ok(error instanceof Fault && error.code === 'unauthenticated', String(error))
    return error.message
  }
  return assert.fail(`let in with ${headers.join(' and ')}`)
}

const bearer = `Bearer ${secretOf(portal.id)}`

test('where there never was a token, everybody is let in', () => {
  assert.equal(admitWith([]), fullAccess)
  assert.equal(admitWith([], 'Basic eDp5'), fullAccess)
})

test('the very token is let in, however its scheme is written', () => {
  for (const header of [bearer, bearer.replace('Bearer', 'bEARER'), bearer.replace(' ', '   ')]) {
    assert.equal(admitWith([portal], header), portal)
  }
})

test('everybody else is refused, and told why', () => {
  const other = secretOf('0000bbbb')
  assert.match(refusal([portal]), /a token is needed/)
  assert.match(refusal([portal], bearer, bearer), /more than one/)
  assert.match(refusal([portal], `Bearer ${other}`), /not known/)
  const almost = bearer.replace(/7$/, '8')
  assert.notEqual(almost, bearer)
  assert.match(refusal([portal], almost), /not known/)
  for (const header of ['', 'Bearer', 'Basic eDp5', bearer.slice(7), `${bearer} x`, `x${bearer}`]) {
    assert.match(refusal([portal], header), /must be "Bearer TOKEN"/, header)
  }
  assert.match(refusal([portal], 'Bearer x'), /no token of this program/)
  assert.match(refusal([{ ...portal, expiresAtMs: nowMs }], bearer), /"portal" has expired/)
  assert.match(refusal([{ ...portal, revokedAtMs: 1 }], bearer), /"portal" was revoked/)
})

test('every comparison takes the same time, also where there is no such token', (t) => {
  const compare = t.mock.method(crypto, 'timingSafeEqual')
  syncBuiltinESMExports()
  t.after(() => {
    compare.mock.restore()
    syncBuiltinESMExports()
  })
  admitWith([portal], bearer)
  refusal([portal], bearer.replace(/7$/, '8'))
  refusal([portal], `Bearer ${secretOf('0000bbbb')}`)
  assert.equal(compare.mock.callCount(), 3)
})

test('a scope that a token has not is named', () => {
  demandScope(portal, 'terminate')
  assert.throws(
    () => demandScope({ ...portal, scopes: ['read', 'submit'] }, 'terminate'),
    (error) => {
      return (
        error instanceof Fault &&
        error.code === 'forbidden' &&
        /the scope "terminate"; this one has: read, submit/.test(error.message)
      )
    },
  )
})
