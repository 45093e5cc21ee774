/** A small storm; `npm run test:storm` makes larger ones. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { storm } from './storm/storm.ts'

test('nothing that was accepted is lost in a storm', async (t) => {
  const say = (line: string) => t.diagnostic(line)
  const figures = await storm({ seed: 1, jobs: 60, kills: 10, say })
  t.diagnostic(JSON.stringify(figures))
  assert.equal(figures.jobs, 60)
  assert.ok(figures.kills >= 10 && figures.cuts > 0, 'there was a storm')
})
