/** What every store of tokens must do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fault } from '../domain/errors.ts'
import { hashToken } from '../domain/token.ts'
import type { Token } from '../domain/token.ts'
import type { TokenStore } from './tokens.ts'

const portal: Token = {
  id: '0000aaaa',
  name: 'portal',
  scopes: ['submit', 'read'],
  userId: null,
  service: null,
  createdAtMs: 100,
  expiresAtMs: null,
  revokedAtMs: null,
}
const ada: Token = {
  ...portal,
  id: '00000001',
  name: 'ada',
  scopes: ['terminate'],
  userId: 'ada',
  service: 'docking',
  createdAtMs: 200,
  expiresAtMs: 900,
}
const hash = hashToken('a')

/** Runs the suite; `open(name)` opens a store that is new for each new name. */
export function tokenSuite(name: string, open: (name: string) => TokenStore): void {
  let stores = 0
  const check = (behaviour: string, body: (name: string) => Promise<void>): void => {
    test(`${name}: ${behaviour}`, () => body(`tokens-${stores++}`))
  }

  check('a token is found by its id, whole, also by another process', async (at) => {
    using server = open(at)
    assert.equal(server.hasAny(), false)
    assert.equal(server.find(portal.id), undefined)
    {
      using other = open(at)
      await other.insert(portal, hash)
      await other.insert(ada, hashToken('b'))
    }
    assert.equal(server.hasAny(), true)
    assert.deepEqual(server.find(portal.id)?.token, portal)
    assert.deepEqual(Buffer.from(server.find(portal.id)?.hash ?? []), Buffer.from(hash))
    assert.deepEqual(server.list(), [portal, ada])
  })

  check('what is revoked stays so, and counts as a token there was', async (at) => {
    using server = open(at)
    using other = open(at)
    await other.insert(portal, hash)
    const revoked = { ...portal, revokedAtMs: 300 }
    assert.deepEqual(await other.revoke('portal', 300), revoked)
    assert.deepEqual(server.find(portal.id)?.token, revoked)
    assert.deepEqual(await other.revoke(portal.id, 400), revoked)
    assert.deepEqual(await other.revoke('portal', 400), revoked)
    assert.equal(server.hasAny(), true)
    assert.equal(await other.revoke('nobody', 400), undefined)
  })

  check('a name is one token’s until that is revoked', async (at) => {
    using store = open(at)
    await store.insert(portal, hash)
    const next = { ...portal, id: '0000bbbb', createdAtMs: 500 }
    await assert.rejects(store.insert(next, hashToken('b')), (error) => {
      return error instanceof Fault && error.code === 'conflict' && /"portal"/.test(error.message)
    })
    await store.revoke('portal', 400)
    await store.insert(next, hashToken('b'))
    assert.equal((await store.revoke('portal', 600))?.id, next.id)
    assert.equal(store.find(portal.id)?.token.revokedAtMs, 400)
  })
}
