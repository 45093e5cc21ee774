/** What can be had of a payload: how it is, its result, or its files as they are now. */
import { statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { Fault, asFault, isOfDisk, systemCode } from '../domain/errors.ts'
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

/**
 * The packed result of an ended payload. What is being read goes on to its end if it is removed.
 *
 * @throws Fault `conflict` if it has not ended; `gone` if the disk has not kept what was packed.
 */
export async function result(
  context: ClientContext,
  { id, result: packed }: Payload,
): Promise<Zip> {
  if (!packed) throw new Fault('conflict', `payload ${id} has not ended`)
  const { sizeBytes } = packed
  const held = context.smallResults.find(id)
  if (held) return { content: held, sizeBytes }
  const file = context.files.paths(id).result
  try {
    const { size } = statSync(file)
    if (size !== sizeBytes) throw gone(id, `it has ${size} bytes instead of ${sizeBytes}`)
    const content = await readFrom(file, sizeBytes)
    if (content instanceof Readable) {
      content.once('error', (error) => void giveUp(context, id, error))
    }
    return { content, sizeBytes }
  } catch (error) {
    findPayload(context, id) // it may have been removed just now
    await giveUp(context, id, error)
    throw systemCode(error) === 'ENOENT' ? gone(id, 'it is not there') : error
  }
}

/** What cannot be read whole is of no use: whoever asks again is told so. */
async function giveUp({ files, log }: ClientContext, id: number, error: unknown): Promise<void> {
  if (!isOfDisk(asFault(error))) return
  log.error({ err: error, payload: id }, `the result of payload ${id} cannot be read`)
  await rm(files.paths(id).result, { force: true }).catch(() => {})
}

function gone(id: number, why: string): Fault {
  return new Fault('gone', `the disk has not kept the result of payload ${id}: ${why}`)
}

/** The work directory as it is now, or the result of an ended payload. */
export async function partial(context: ClientContext, payload: Payload): Promise<Zip> {
  if (payloadEnded(payload.status)) return result(context, payload)
  const paths = context.files.paths(payload.id)
  return { content: archive(paths.work, () => logFiles(paths), context.packLimits) }
}
