import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../log.ts'
import { findLeftovers, signal } from './processes.ts'
import type { Sessions } from './sessions.ts'

/** A killed process is gone soon; one that waits for a dead disk may never be. */
const mostRounds = 50
const longestPauseMs = 100

/**
 * Ends what a script started and left behind, in whatever group or session it is by now, and
 * returns when none of it is there.
 *
 * @param session see `findLeftovers`.
 * @param above see `findLeftovers`.
 * @param others see `findLeftovers`.
 */
export async function endLeftovers(
  session: number | null,
  tmpDirectory: string,
  log: Log,
  above = 0,
  others?: Sessions,
): Promise<void> {
  for (let round = 0; round < mostRounds; round++) {
    const pids = await findLeftovers(session, tmpDirectory, above, others)
    if (pids.length === 0) return
    for (const pid of pids) signal(pid, 'SIGKILL')
    await delay(Math.min(longestPauseMs, 2 ** round))
  }
  log.warn({ session, tmpDirectory }, 'a script left processes that cannot be ended')
}
