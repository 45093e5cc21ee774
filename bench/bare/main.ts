/**
 * What no transfer of files over HTTP can do without: a server that passes bytes and does nothing
 * else. The path of a request is that of the file: POST writes it and flushes it, GET reads it.
 */
import { createReadStream, createWriteStream } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'

const readBytes = 1024 * 1024

const server = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => response.destroy(error as Error))
})
server.requestTimeout = 0
server.listen(0, '127.0.0.1', () => {
  process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
process.once('disconnect', () => process.exit())

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const file = request.url ?? ''
  if (request.method === 'GET') {
    return pipeline(createReadStream(file, { highWaterMark: readBytes }), response)
  }
  await pipeline(request, createWriteStream(file, { flush: true }))
  response.writeHead(201).end()
}
