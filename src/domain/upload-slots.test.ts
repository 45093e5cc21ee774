import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fault } from './errors.ts'
import { UploadSlots } from './upload-slots.ts'

const refusedAs = (code: string) => (error: unknown) =>
  error instanceof Fault && error.code === code

test('so many are received at once, and one that has ended makes room', () => {
  const slots = new UploadSlots(2)
  const first = slots.take()
  slots.take()
  assert.throws(() => slots.take(), refusedAs('busy'))
  first[Symbol.dispose]()
  assert.equal(slots.open, 1)
  slots.take()
  assert.throws(() => slots.take(), refusedAs('busy'))
})

test('so many of one user, and others are not held up by them', () => {
  const slots = new UploadSlots(10, 2)
  const taken = ['ada', 'ada', 'bob'].map((user) => {
    const slot = slots.take()
    slot.assign(user)
    slot.assign(user) // said twice it counts once
    return slot
  })
  const third = slots.take()
  assert.throws(() => third.assign('ada'), refusedAs('too_many'))
  third[Symbol.dispose]()
  taken[0]?.[Symbol.dispose]()
  slots.take().assign('ada')
  assert.throws(() => slots.take().assign('ada'), refusedAs('too_many'))
  taken[2]?.[Symbol.dispose]()
  slots.take().assign('bob')
})
