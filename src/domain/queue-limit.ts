/** How many jobs of a user may wait in a service: SERVICE_<NAME>_MAX_QUEUED_PER_USER. */
import { Fault } from './errors.ts'

/**
 * Makes sure that one more may wait.
 *
 * @param queued of this user, in this service.
 * @throws Fault `too_many`
 */
export function demandQueueRoom(service: string, queued: number, most: number): void {
  if (queued < most) return
  throw new Fault(
    'too_many',
    `this user has ${queued} jobs queued in service "${service}", and may have ${most} ` +
      `(SERVICE_${service.toUpperCase()}_MAX_QUEUED_PER_USER): send it again when some have begun`,
  )
}
