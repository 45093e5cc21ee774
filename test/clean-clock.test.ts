/** A wall clock that jumps while a real server runs. */
import assert from 'node:assert/strict'
import { glob, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { ensureCommand } from './harness/debian.ts'
import { Lab } from './harness/lab.ts'

const isWarning = ({ msg }: { msg: string }) => msg.startsWith('the clock has jumped')

test('a clock that jumps by a year makes nothing old, and is told once', async (t) => {
  const missing = await ensureCommand('faketime')
  if (missing !== undefined) return t.skip(missing)
  const [library] = await Array.fromAsync(glob('/usr/lib/*/faketime/libfaketime.so.1'))
  assert.ok(library, 'the package has its library')
  await using lab = await Lab.create()
  const offset = join(lab.directory, 'offset')
  await writeFile(offset, '+0')
  const { api, program } = await lab.pair({
    env: {
      MAX_AGE: '4',
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: offset,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
  })
  const first = await api.run('true')
  const second = await api.run('true')
  await writeFile(offset, '+365d')
  const { msg } = await program.line(isWarning)
  const warned = performance.now()
  assert.equal(
    msg,
    'the clock has jumped forward by 365 d: nothing is cleaned until it is steady for 4 s',
  )
  for (const { id } of [first, second]) assert.ok((await api.files(id)).size > 0)
  for (const { id } of [first, second]) await api.reached(id, 'Cleaned')
  assert.ok(performance.now() - warned >= 3_500, 'it has rested')
  assert.equal(program.lines.filter(isWarning).length, 1)
  const { changedAt } = await api.job(first.id)
  assert.ok(Date.parse(changedAt) > Date.now() + 364 * 86_400_000, 'the clock was really set')
  return undefined
})
