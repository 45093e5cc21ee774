import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BrokenDatabase, DatabaseGuard } from './guard.ts'

function failing(errcode: number): () => never {
  return () => {
    throw Object.assign(new Error('of SQLite'), { errcode })
  }
}

test('a database that is not as it should be is told once, and not touched any more', () => {
  for (const code of [8, 10, 11, 14, 26, 1034, 4106]) {
    const told: BrokenDatabase[] = []
    const guard = new DatabaseGuard('/srv/db', (error) => told.push(error))
    assert.equal(
      guard.run(() => 7),
      7,
    )
    // A statement within a transaction: both are guarded.
    assert.throws(() => guard.run(() => guard.run(failing(code))), BrokenDatabase)
    assert.throws(() => guard.run(() => assert.fail('it was touched')), BrokenDatabase)
    assert.deepEqual(
      told.map(({ message }) => message),
      [`the database /srv/db cannot be relied on any more: of SQLite (SQLite ${code})`],
    )
  }
})

test('a full disk, a lock and what is no error of SQLite leave it in use', () => {
  const guard = new DatabaseGuard('/srv/db', () => assert.fail('it is not broken'))
  for (const code of [13, 4874, 5, 6, 19]) {
    assert.throws(() => guard.run(failing(code)), { message: 'of SQLite' })
  }
  assert.throws(() => guard.run(() => assert.fail('other')), { message: 'other' })
  assert.equal(
    guard.run(() => 7),
    7,
  )
})
