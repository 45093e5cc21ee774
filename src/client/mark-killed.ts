import { crashPoint } from '../crash-points.ts'
import { payloadEnded } from '../domain/payload.ts'
import type { Payload } from '../domain/payload.ts'
import type { ClientContext } from './context.ts'

/** A payload that is to be ended now, and what was in the way of noting why, if anything was. */
type Marked = { readonly payload: Payload; readonly fault: unknown }

/**
 * Notes why a payload is to be ended, which is then to be done; the first reason wins.
 *
 * It is to be done also where it cannot be noted: what fills a disk has to end on a full one too.
 *
 * @returns `undefined` if it has ended, or is to be ended already.
 */
export async function markKilled(
  { store, files }: Pick<ClientContext, 'store' | 'files'>,
  { id, status, killReason }: Payload,
  reason: string,
): Promise<Marked | undefined> {
  if (payloadEnded(status) || killReason !== null) return undefined
  // First in the table, so that nothing can start it meanwhile; then on disk; then for real.
  const payload = store.change(id, status, status, { killReason: reason })
  if (!payload) return undefined
  crashPoint('kill: marked')
  try {
    await files.writeKillReason(id, reason)
    return { payload, fault: undefined }
  } catch (fault) {
    // Who asks again has it noted then.
    if (status === 'Running') store.change(id, status, status, { killReason: null })
    return { payload, fault }
  }
}
