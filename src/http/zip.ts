import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { Zip } from '../files/archive.ts'

/** Sends a ZIP as a file of that name. */
export function sendZip(reply: FastifyReply, zip: Zip, filename: string): FastifyReply {
  reply.header('content-type', 'application/zip')
  reply.header('content-disposition', `attachment; filename="${filename}"`)
  if (zip.sizeBytes !== undefined) reply.header('content-length', zip.sizeBytes)
  const content = readable(zip.content)
  if (reply.request.method === 'HEAD') {
    if (content instanceof Readable) content.destroy()
    // An empty stream, so that the length of the real one stays in the header.
    return reply.send(Readable.from([]))
  }
  return reply.send(content)
}

function readable(content: Zip['content']): Readable | Uint8Array {
  return content instanceof Readable || content instanceof Uint8Array
    ? content
    : Readable.from(content, { objectMode: false })
}
