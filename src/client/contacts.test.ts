import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Contacts } from './contacts.ts'

test('a server is silent from its last call on, or from the start', () => {
  let nowMs = 100
  const contacts = new Contacts(() => nowMs)
  nowMs = 150
  contacts.touch('a')
  nowMs = 160
  assert.deepEqual([contacts.silentForMs('a'), contacts.silentForMs('b')], [10, 60])
})

test('who listens is not silent, until the last of its streams has ended', () => {
  let nowMs = 0
  const contacts = new Contacts(() => nowMs)
  const [first, second] = [contacts.begin('a'), contacts.begin('a')]
  nowMs = 1000
  assert.equal(contacts.silentForMs('a'), 0)
  first()
  nowMs = 2000
  assert.equal(contacts.silentForMs('a'), 0)
  second()
  assert.equal(contacts.silentForMs('a'), 0)
  nowMs = 2500
  assert.equal(contacts.silentForMs('a'), 500)
})
