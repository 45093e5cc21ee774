/** What can be had of a payload: how it is, its result, or its files as they are now. */
import { Fault } from '../domain/errors.ts'
import { payloadEnded } from '../domain/payload.ts'
import type { Payload } from '../domain/payload.ts'
import { archive } from '../files/archive.ts'
import type { Zip } from '../files/archive.ts'
import { readFrom } from '../files/read.ts'
import type { ClientContext } from './context.ts'
import { logFiles } from './pack.ts'

/** @throws Fault `not_found` */
export function findPayload({ store }: ClientContext, id: number): Payload {
  const payload = store.find(id)
  if (!payload) throw new Fault('not_found', `there is no payload ${id}`)
  return payload
}

/** The packed result of an ended payload. What is being read goes on to its end if it is removed. */
export async function result(
  context: ClientContext,
  { id, result: packed }: Payload,
): Promise<Zip> {
  if (!packed) throw new Fault('conflict', `payload ${id} has not ended`)
  const { sizeBytes } = packed
  try {
    return { content: await readFrom(context.files.paths(id).result, sizeBytes), sizeBytes }
  } catch (error) {
    findPayload(context, id) // it may have been removed just now
    throw error
  }
}

/** The work directory as it is now, or the result of an ended payload. */
export async function partial(context: ClientContext, payload: Payload): Promise<Zip> {
  if (payloadEnded(payload.status)) return result(context, payload)
  const paths = context.files.paths(payload.id)
  return { content: archive(paths.work, () => logFiles(paths)) }
}
