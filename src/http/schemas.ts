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

/** What every route may answer when something unforeseen happens. */
export const internal = {
  500: job('An unforeseen fault; the message is `internal`, the log says more.'),
}
