import type { Payload } from '../../domain/payload.ts'
import type { PayloadReply } from '../../domain/protocol.ts'

/**
 * A payload as servers get it.
 *
 * A 2.2.3 server stores whatever status it reads: told of a `Completed` in JSON it would never ask
 * for the result. It is never told so, for a payload is `Running` until its ZIP is ready, and is
 * answered with the ZIP from then on.
 */
export function payloadReply(payload: Payload, instance: string): PayloadReply {
  const { id, status, message, pid, killReason } = payload
  return {
    id,
    input: {},
    status,
    loc: `payloads/${id}`,
    pid,
    killed: killReason !== null || status === 'Killed',
    message,
    instance,
  }
}
