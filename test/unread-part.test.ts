/** An upload that is refused within a part that nobody reads. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { json } from 'node:stream/consumers'
import { test } from 'node:test'
import { Lab } from './harness/lab.ts'
import { field, formType, multipart } from './harness/raw.ts'

test('a refusal while a part without a filename is coming ends the upload alone', async () => {
  await using lab = await Lab.create()
  const { api, program } = await lab.server({ services: { example: ['http://127.0.0.1:9'] } })
  const whole = multipart([
    field('user_id', '1'),
    field('user_id', '1'),
    ['name="x"\r\nContent-Type: application/octet-stream', 'x'.repeat(1000)],
  ])
  const headers = { 'content-type': formType, 'content-length': whole.byteLength }
  const outgoing = request(`${api.address}/upload`, { method: 'POST', headers, agent: false })
  const answered = once(outgoing, 'response')
  outgoing.write(whole.subarray(0, -500))
  const [answer] = (await answered) as [IncomingMessage]
  assert.equal(answer.statusCode, 400)
  assert.match(JSON.stringify(await json(answer)), /sent twice/)
  outgoing.end(whole.subarray(-500))
  assert.equal((await api.health()).status, 'ok', program.said)
  assert.equal(program.child.exitCode, null, program.said)
})
