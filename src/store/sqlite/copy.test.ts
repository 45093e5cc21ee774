import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { copyDatabase } from './copy.ts'
import { openDatabase } from './database.ts'

const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
after(() => rm(directory, { recursive: true }))

test('a copy of a database that is written to all the time comes to an end', async () => {
  const path = join(directory, 'db.sqlite')
  using writer = openDatabase(path)
  writer.exec('pragma synchronous = off; create table filler (number, content)')
  const fill = writer.prepare('insert into filler values (?, ?)')
  writer.exec('begin')
  for (let number = 0; number < 4000; number++) fill.run(number, 'x'.repeat(1000))
  writer.exec('commit')
  using reader = new DatabaseSync(path)
  const copy = join(directory, 'copy.sqlite')
  let isOver = false
  let written = 0
  const copied = copyDatabase(reader, copy).finally(() => (isOver = true))
  // A copy that begins again after each of these would need them all to stop first.
  while (!isOver && written < 20_000) {
    fill.run(-1, written++)
    await turn()
  }
  assert.ok(isOver, 'it had not ended after 20000 writes')
  await copied
  using database = new DatabaseSync(copy)
  const whole = database.prepare('select count(*) as n from filler where number >= 0').get()
  assert.equal(whole?.['n'], 4000)
})

test('a database that a backup is just leaving is waited for', async () => {
  const path = join(directory, 'left.sqlite')
  openDatabase(path).close()
  const script = `const { DatabaseSync } = require('node:sqlite')
    const database = new DatabaseSync(process.argv[1])
    database.exec('pragma locking_mode = exclusive; begin exclusive')
    process.stdout.write('held')
    process.stdin.once('data', () => setTimeout(() => database.close(), 200))`
  const holder = spawn(process.execPath, ['--eval', script, path])
  await once(holder.stdout, 'data')
  holder.stdin.end('go')
  openDatabase(path).close()
  await once(holder, 'close')
})
