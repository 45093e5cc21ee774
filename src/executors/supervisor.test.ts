import assert from 'node:assert/strict'
import { test } from 'node:test'
import { taskText } from './supervisor.ts'

test('what a shell is told cannot be more than it seems', () => {
  assert.equal(taskText('/d', undefined, { A: '1' }, 'true'), '/d\0\0A=1\0\0true\0')
  assert.throws(() => taskText('/d', undefined, { USER_ID: 'x\0\0id' }, 'true'), /NUL/)
})
