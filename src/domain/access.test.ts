import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fullAccess, parseScopes, reaches, scopes, whyOutOfReach } from './access.ts'
import { Wrong } from './units.ts'

const ofAda = { ...fullAccess, userId: 'ada' }
const forDocking = { ...fullAccess, service: 'docking' }
const both = { ...ofAda, service: 'docking' }

const reached = (userId: string, service: string) =>
  [fullAccess, ofAda, forDocking, both].map((access) => reaches(access, { userId, service }))

test('an access reaches the jobs of its user and its service, and no others', () => {
  assert.deepEqual(reached('ada', 'docking'), [true, true, true, true])
  assert.deepEqual(reached('ada', 'folding'), [true, true, false, false])
  assert.deepEqual(reached('bob', 'docking'), [true, false, true, false])
  assert.deepEqual(reached('bob', 'folding'), [true, false, false, false])
  // Users are told apart by every letter.
  assert.deepEqual(reached('Ada', 'docking'), [true, false, true, false])
})

test('a field of an upload that is out of reach is told, and any other one is not', () => {
  assert.equal(whyOutOfReach(both, 'user_id', 'ada'), undefined)
  assert.equal(whyOutOfReach(both, 'service', 'DOCKING'), undefined)
  assert.equal(whyOutOfReach(both, 'max_attempts', 'bob'), undefined)
  assert.equal(whyOutOfReach(fullAccess, 'user_id', 'bob'), undefined)
  assert.equal(whyOutOfReach(fullAccess, 'service', 'folding'), undefined)
  assert.match(whyOutOfReach(both, 'user_id', 'Ada') ?? '', /^this token is of user "ada"/)
  assert.match(whyOutOfReach(both, 'service', 'folding') ?? '', /is for service "docking"/)
})

test('scopes are a list, each once', () => {
  assert.deepEqual(parseScopes('read'), ['read'])
  assert.deepEqual(parseScopes('terminate, submit,read'), scopes)
  for (const text of ['', 'read,', 'all', 'READ', 'read,read', 'read submit', '*']) {
    assert.ok(parseScopes(text) instanceof Wrong, text)
  }
})
