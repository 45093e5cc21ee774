/** Pieces of the routes' schemas that several routes share. */
import { Type } from 'typebox'
import type { Static, TSchema } from 'typebox'
import type { Readable } from 'node:stream'
import type { JobReply, MessageReply } from '../domain/protocol.ts'

export const IdParams = Type.Object({
  id: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
})

/** A reference to a schema that was added to the app under its `$id`. */
export function shared<T>(id: string) {
  return Type.Unsafe<T>(Type.Ref(`${id}#`))
}

export const job = (description: string) => described(shared<JobReply>('Job'), description)
export const message = (description: string) =>
  described(shared<Static<typeof MessageReply>>('Message'), description)

function described<S extends TSchema>(schema: S, description: string) {
  return { description, content: { 'application/json': { schema } } }
}
export { described as json }

const Zip = Type.Unsafe<Readable>(Type.String({ format: 'binary' }))

/** An answer that is a ZIP. */
export const zip = (description: string) => ({
  description,
  content: { 'application/zip': { schema: Zip } },
})

/** An answer that is a ZIP or JSON; applications tell them by the Content-Type. */
export const zipOr = <S extends TSchema>(schema: S, description: string) => ({
  description,
  content: { 'application/json': { schema }, 'application/zip': { schema: Zip } },
})

/** What every route may answer, whatever it does. What it says of these itself comes behind. */
export const general = {
  400: job('It is no proper HTTP, or has no Host header.'),
  408: job('The head of the request took longer than HEADERS_TIMEOUT to come.'),
  414: job('The URL is too long.'),
  431: job('The headers are too large, or too many.'),
  500: job('An unforeseen fault; the message is `internal`, the log says more.'),
  503: job('The program is stopping.'),
}

/** The same for a route that changes something, where no token has a say in it. */
export const generalOfChange = {
  ...general,
  403: job('A browser sent it for a page of another site.'),
}
