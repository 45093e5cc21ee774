/** Small storms; `npm run test:storm` makes larger ones. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noCertificates } from './harness/certificates.ts'
import { whyNoSandbox } from './harness/sandbox.ts'
import { storm } from './storm/storm.ts'

test('nothing that was accepted is lost in a storm', async (t) => {
  const say = (line: string) => t.diagnostic(line)
  const figures = await storm({ seed: 1, jobs: 60, kills: 10, say })
  t.diagnostic(JSON.stringify(figures))
  assert.equal(figures.jobs, 60)
  assert.ok(figures.kills >= 10 && figures.cuts > 0, 'there was a storm')
})

const title = 'nor with tokens, a cluster secret and TLS'
test(title, { skip: noCertificates }, async (t) => {
  const say = (line: string) => t.diagnostic(line)
  const figures = await storm({ seed: 2, jobs: 30, kills: 6, trust: true, say })
  t.diagnostic(JSON.stringify(figures))
  assert.equal(figures.jobs, 30)
  assert.ok(figures.kills >= 6, 'there was a storm')
})

test('nor where scripts are kept apart', async (t) => {
  const missing = await whyNoSandbox()
  if (missing !== undefined) return t.skip(missing)
  const say = (line: string) => t.diagnostic(line)
  const figures = await storm({ seed: 2, jobs: 24, kills: 4, say, isolation: 'bwrap' })
  t.diagnostic(JSON.stringify(figures))
  assert.equal(figures.jobs, 24)
  return undefined
})
