import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fault } from '../domain/errors.ts'
import { hasNeverArrived } from './gateway.ts'

const failed = (properties: object) =>
  new Fault('unreachable', 'no', { cause: Object.assign(new Error('no'), properties) })

test('what failed before there was a connection has never arrived; what failed on one may have', () => {
  assert.ok(hasNeverArrived(failed({ code: 'EHOSTUNREACH', syscall: 'connect' })))
  assert.ok(hasNeverArrived(failed({ code: 'ENOTFOUND', syscall: 'getaddrinfo' })))
  assert.ok(hasNeverArrived(failed({ code: 'UND_ERR_CONNECT_TIMEOUT' })))
  assert.ok(!hasNeverArrived(failed({ code: 'EHOSTUNREACH', syscall: 'read' })))
  assert.ok(!hasNeverArrived(failed({ code: 'ENETUNREACH', syscall: 'write' })))
  assert.ok(!hasNeverArrived(failed({ code: 'ECONNRESET', syscall: 'read' })))
  assert.ok(!hasNeverArrived(new Error('no')))
})
