import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fingerprintOf, isIdempotencyKey } from './idempotency.ts'

const fields = { service: 'example', scriptAttempts: 1, maxRuntimeMs: null, limits: {} }
const script = { path: 'run.sh', sha256: 'a'.repeat(64) }
const input = { path: 'in/a.txt', sha256: 'b'.repeat(64) }
const original = fingerprintOf(fields, [script, input])

test('the order of files is no difference', () => {
  assert.match(original, /^[0-9a-f]{64}$/)
  assert.equal(fingerprintOf(fields, [input, script]), original)
})

test('every field and every file is', () => {
  const others = [
    fingerprintOf({ ...fields, service: 'other' }, [script, input]),
    fingerprintOf({ ...fields, scriptAttempts: 2 }, [script, input]),
    fingerprintOf({ ...fields, maxRuntimeMs: 1 }, [script, input]),
    fingerprintOf({ ...fields, limits: { memoryBytes: 1 } }, [script, input]),
    fingerprintOf(fields, [script]),
    fingerprintOf(fields, [script, { ...input, path: 'in/b.txt' }]),
    fingerprintOf(fields, [script, { ...input, sha256: 'c'.repeat(64) }]),
    fingerprintOf(fields, [
      { ...script, sha256: input.sha256 },
      { ...input, sha256: script.sha256 },
    ]),
  ]
  assert.equal(new Set([original, ...others]).size, others.length + 1)
})

test('a fingerprint is the same in every version', () => {
  assert.equal(original, '6ffb433eb20afca1a4f82923ef7fcfbd67cee4511be306e39bbb1c96f8274e90')
})

test('a key is of visible ASCII characters', () => {
  for (const key of ['a', '"quoted"', '~!@#', 'x'.repeat(255)]) assert.ok(isIdempotencyKey(key))
  const token = `jo_00c0ffee_${'ab'.repeat(32)}`
  for (const key of ['', 'a b', 'a, b', 'é', '\t', 'a\n', 'x'.repeat(256), token, `${token}-1`]) {
    assert.ok(!isIdempotencyKey(key), key)
  }
})
