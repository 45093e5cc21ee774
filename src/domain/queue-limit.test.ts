import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fault } from './errors.ts'
import { demandQueueRoom } from './queue-limit.ts'

test('so many jobs of a user may wait, and one more is refused', () => {
  demandQueueRoom('blast', 2, 3)
  assert.throws(
    () => demandQueueRoom('blast', 3, 3),
    (error) =>
      error instanceof Fault &&
      error.code === 'too_many' &&
      /has 3 jobs queued .*"blast".* SERVICE_BLAST_MAX_QUEUED_PER_USER/.test(
        error.message.replace('(', ' '),
      ),
  )
})
