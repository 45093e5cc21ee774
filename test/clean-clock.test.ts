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
      MAX_AGE: '10',
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: offset,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
  })
  const { id } = await api.run('true')
  await writeFile(offset, '+365d')
  const warning = await program.line(isWarning)
  assert.equal(
    warning.msg,
    'the clock has jumped forward by 365 d: nothing is cleaned until it is steady for 10 s',
  )
  assert.ok((await api.files(id)).size > 0)
  await api.reached(id, 'Cleaned')
  assert.equal(program.lines.filter(isWarning).length, 1)
  const cleanedAtMs = Date.parse((await api.job(id)).changedAt)
  assert.ok(cleanedAtMs - Date.parse(String(warning['time'])) >= 9_900, 'it has rested')
  assert.ok(cleanedAtMs > Date.now() + 364 * 86_400_000, 'the clock was really set')
  return undefined
})
