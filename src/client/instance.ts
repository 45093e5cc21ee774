import { createHash } from 'node:crypto'

/**
 * As which instance a client is known to servers: another one when its data is gone, and in each
 * boot of its machine, for nothing else tells after a power cut what has run. So what was sent to it
 * in an earlier boot is never started in this one, and need not be made durable.
 */
export function instanceIn(memoryInstance: string, bootId: string): string {
  return createHash('sha256').update(`${memoryInstance} ${bootId}`).digest('hex').slice(0, 16)
}
