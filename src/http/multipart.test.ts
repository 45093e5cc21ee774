import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { readParts } from './multipart.ts'
import type { BodyLimits } from './multipart.ts'

const limits: BodyLimits = {
  mostBytes: Infinity,
  mostBytesName: 'MAX_UPLOAD_SIZE',
  mostFiles: Infinity,
  timeoutMs: 60_000,
}

/** As small as parts can be: they cost most beside what they carry. */
const count = 20_000
const part = (index: number) =>
  `--b\r\nContent-Disposition: form-data; name="file"; filename="${index}"\r\n\r\nx\r\n`

test('a sender of many small parts waits for whoever takes them', async (t) => {
  const body = Buffer.from(
    `${Array.from({ length: count }, (_, index) => part(index)).join('')}--b--\r\n`,
  )
  const taken = Promise.withResolvers<number>()
  const server = createServer((incoming, reply) => {
    takeSlowly(incoming)
      .finally(() => reply.end())
      .then(taken.resolve, taken.reject)
  })
  t.after(() => server.close())
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const headers = { 'content-type': 'multipart/form-data; boundary=b' }
  const sending = request({ port, host: '127.0.0.1', method: 'POST', headers })
  sending.end(body)
  const [answer] = (await once(sending, 'response')) as [IncomingMessage]
  answer.resume()
  assert.equal(await taken.promise, count)
})

async function takeSlowly(incoming: IncomingMessage): Promise<number> {
  let parts = 0
  for await (const one of readParts(incoming, limits)) {
    // As long as it takes the sender to be stopped.
    while (parts === 0 && !incoming.isPaused() && !incoming.complete) await setImmediate()
    if (parts === 0) {
      assert.ok(!incoming.complete, 'all of it has come before anything was taken')
      const { bytesRead } = incoming.socket
      assert.ok(bytesRead < 512 * 1024, `${bytesRead} bytes have come before anything was taken`)
    }
    assert.equal(one.kind, 'file')
    if (one.kind === 'file') {
      assert.equal(one.filename, String(parts))
      for await (const piece of one.content) assert.equal(piece.toString(), 'x')
    }
    parts++
  }
  return parts
}
