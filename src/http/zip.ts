import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { Zip } from '../files/archive.ts'

/** Sends a ZIP as a file of that name. */
export function sendZip(reply: FastifyReply, zip: Zip, filename: string): FastifyReply {
  reply.header('content-type', 'application/zip')
  reply.header('content-disposition', `attachment; filename="${filename}"`)
  if (zip.sizeBytes !== undefined) reply.header('content-length', zip.sizeBytes)
  if (reply.request.method === 'HEAD') {
    if (zip.content instanceof Readable) zip.content.destroy()
    // An empty stream, so that the length of the real one stays in the header.
    return reply.send(Readable.from([]))
  }
  return reply.send(zip.content)
}
