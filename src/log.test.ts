import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { createReadableLog } from './log.ts'

/** What a log says on a terminal, without colours. */
async function said(level: string): Promise<string[]> {
  const terminal = new PassThrough()
  const log = createReadableLog(level, terminal)
  log.info({ job: 7 }, 'job 7: Queued')
  log.warn('careful')
  await new Promise(setImmediate)
  terminal.end()
  // oxlint-disable-next-line no-control-regex -- escape sequences are what is taken away
  return (await text(terminal)).replaceAll(/\u001b\[\d+m/g, '').split('\n')
}

test('for people a message is a line, with its time', async () => {
  const lines = await said('info')
  assert.equal(lines.length, 3)
  assert.match(lines[0] ?? '', /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: job 7: Queued$/)
  assert.match(lines[1] ?? '', /WARN: careful$/)
  assert.equal(lines[2], '')
})

test('from debug on, all that goes with a message is on its line', async () => {
  const lines = await said('debug')
  assert.equal(lines.length, 3)
  assert.match(lines[0] ?? '', /INFO: job 7: Queued \{"job":7\}$/)
})

test('what looks like a token is masked, wherever it stands', async () => {
  const terminal = new PassThrough()
  const log = createReadableLog('debug', terminal)
  const token = `jo_00c0ffee_${'ab'.repeat(32)}`
  log.warn({ url: `/jobs/1?token=${token}`, err: new Error(token) }, `GET /${token}`)
  await new Promise(setImmediate)
  terminal.end()
  const line = await text(terminal)
  assert.match(line, /GET \/jo_00c0ffee_\*\*\*/)
  assert.doesNotMatch(line, /abab/)
})

test('attack: what moves a cursor, ends a line or turns the writing is shown as what it is', async () => {
  const terminal = new PassThrough()
  const log = createReadableLog('info', terminal)
  log.info('\u001b[2J\u009b2J a\r\nfake: line\u2028 \u202egnp.exe')
  await new Promise(setImmediate)
  terminal.end()
  // oxlint-disable-next-line no-control-regex -- the colour of the level is ours
  const line = (await text(terminal)).replaceAll(/\u001b\[\d+m/g, '').trimEnd()
  assert.doesNotMatch(line, /[\p{Cc}\p{Bidi_Control}\u2028]/u)
  assert.match(line, /INFO: \\u001b\[2J\\u009b2J a\\u000d\\u000afake: line\\u2028 \\u202egnp\.exe$/)
})
