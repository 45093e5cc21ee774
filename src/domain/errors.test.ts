import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  Fault,
  asFault,
  isAbort,
  isFullDatabase,
  isHeld,
  isOfDisk,
  messageOf,
  sqliteCode,
  systemCode,
} from './errors.ts'

const failed = (errcode: number) => Object.assign(new Error('disk I/O error'), { errcode })

test('a full disk is a fault that can be told; other errors stay as they are', () => {
  const full = Object.assign(new Error('ENOSPC: write'), { code: 'ENOSPC' })
  const fault = asFault(full)
  assert.ok(fault instanceof Fault)
  assert.equal(fault.code, 'no_space')
  assert.equal(fault.cause, full)
  const database = Object.assign(new Error('database or disk is full'), { errcode: 13 })
  assert.ok(asFault(database) instanceof Fault)
  const locked = Object.assign(new Error('locked'), { errcode: 5 })
  assert.equal(asFault(locked), locked)
  const odd = Object.assign(new Error('odd'), { errcode: '13' })
  assert.equal(asFault(odd), odd)
  const other = Object.assign(new Error('EACCES'), { code: 'EACCES' })
  assert.equal(asFault(other), other)
  assert.equal(asFault('text'), 'text')
})

test('so is a broken one', () => {
  for (const code of ['EIO', 'EROFS']) {
    const fault = asFault(Object.assign(new Error(`${code}: write`), { code }))
    assert.ok(fault instanceof Fault && fault.code === 'broken_disk')
    assert.match(fault.message, new RegExp(code))
    assert.equal(isOfDisk(fault), true)
  }
  assert.equal(isOfDisk(new Fault('no_space', 'full')), true)
  assert.equal(isOfDisk(new Fault('busy', 'later')), false)
  assert.equal(isOfDisk(new Error('x')), false)
})

test('a journal whose index cannot grow is a full disk; other I/O errors of SQLite are not', () => {
  assert.deepEqual(
    [13, 4874, 4106, 10].map((code) => isFullDatabase(failed(code))),
    [true, true, false, false],
  )
  assert.equal(sqliteCode(failed(1034)), 1034)
  assert.equal(sqliteCode(new Error('x')), undefined)
  assert.equal(sqliteCode(undefined), undefined)
})

test('a database that another process holds is told from one that is broken', () => {
  assert.deepEqual(
    [5, 261, 517, 6, 10].map((code) => isHeld(failed(code))),
    [true, true, true, false, false],
  )
  assert.equal(isHeld(new Error('x')), false)
})

test('a system code is there only where there is one', () => {
  assert.equal(systemCode(Object.assign(new Error('x'), { code: 'ENOENT' })), 'ENOENT')
  assert.equal(systemCode(Object.assign(new Error('x'), { code: 5 })), undefined)
  assert.equal(systemCode(new Error('x')), undefined)
  assert.equal(systemCode('ENOENT'), undefined)
})

test('whatever was thrown has a message', () => {
  assert.equal(messageOf(new Error('why')), 'why')
  assert.equal(messageOf(7), '7')
})

test('what a signal breaks off is told from other errors', () => {
  const { reason } = AbortSignal.abort()
  assert.deepEqual([reason, new Error('x'), 'AbortError'].map(isAbort), [true, false, false])
})
