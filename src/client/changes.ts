import { payloadEnded } from '../domain/payload.ts'
import type { Payload, PayloadStatus } from '../domain/payload.ts'
import type { PayloadChange } from '../store/payloads.ts'
import type { ClientContext } from './context.ts'

/**
 * One step of a payload: written, told to its server, and logged.
 *
 * @param zip the result, if it is small: it is told with it.
 * @returns the payload after it, or `undefined` if it was not in status `from`.
 */
export function step(
  { store, events, drain, log }: ClientContext,
  id: number,
  from: PayloadStatus,
  to: PayloadStatus,
  change: PayloadChange,
  zip?: Uint8Array,
): Payload | undefined {
  const payload = store.change(id, from, to, change)
  if (!payload) return undefined
  events.tell(payload, zip)
  tellLog(log, payload)
  if (payloadEnded(to)) drain.look()
  return payload
}

/** The one log line of a payload's status. */
export function tellLog(log: ClientContext['log'], payload: Payload): void {
  const { id, origin, status, message } = payload
  const whose = origin ? ` (job ${origin.jobId}, attempt ${origin.attempt})` : ''
  log.info(
    { payload: id, job: origin?.jobId, attempt: origin?.attempt, status },
    `payload ${id}${whose}: ${status}${message && `: ${message}`}`,
  )
}
