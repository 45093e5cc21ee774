import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readUploadFields } from './upload-fields.ts'

const read = (fields: Record<string, string>) => readUploadFields(new Map(Object.entries(fields)))
const needed = { user_id: 'ada', service: 'Example' }

test('what is left out means one run, and no limit', () => {
  assert.deepEqual(read(needed), {
    read: { userId: 'ada', service: 'example', scriptAttempts: 1, maxRuntimeMs: null, limits: {} },
    faults: [],
  })
})

test('runs are counted, and times have units', () => {
  const { read: fields, faults } = read({ ...needed, max_attempts: '3', max_runtime: '90min' })
  assert.deepEqual([fields.scriptAttempts, fields.maxRuntimeMs, faults], [3, 5_400_000, []])
  assert.equal(read({ ...needed, max_runtime: '90' }).read.maxRuntimeMs, 90_000)
  assert.equal(read({ ...needed, max_runtime: '365d' }).read.maxRuntimeMs, 365 * 86_400_000)
})

test('all that is wrong is told, with what would be right', () => {
  const fields = { user_id: 'a b', max_attempts: '0', max_runtime: 'soon' }
  assert.deepEqual(read(fields).faults, [
    'field "user_id" must be 1 to 128 characters out of A-Z a-z 0-9 . _ @ -',
    'field "service" is missing',
    'field "max_attempts" must be a whole number from 1 to 100, not "0"',
    'field "max_runtime" must be a time such as 10d, 5min, 500ms or seconds, not "soon"',
  ])
  const user_id = `jo_00c0ffee_${'ab'.repeat(32)}`
  assert.match(read({ ...needed, user_id }).faults.join(), /^field "user_id" is an API token;/)
  assert.deepEqual(read({}).faults, ['field "user_id" is missing', 'field "service" is missing'])
  for (const max_attempts of ['', '101', '1.5', '-1', 'many']) {
    assert.equal(read({ ...needed, max_attempts }).faults.length, 1, max_attempts)
  }
  for (const max_runtime of ['', '0', '25w', '-1s']) {
    assert.equal(read({ ...needed, max_runtime }).faults.length, 1, max_runtime)
  }
})
