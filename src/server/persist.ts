import { setTimeout as delay } from 'node:timers/promises'
import { backOffMs } from './back-off.ts'

/** About half a minute in all; after that the client's next snapshot brings it up again. */
const mostTries = 10

/** Does something that may be done twice until it succeeds, or throws what it threw the last time. */
export async function persist(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await work()
    } catch (error) {
      if (signal.aborted || tries >= mostTries) throw error
      await delay(backOffMs(tries), undefined, { signal })
    }
  }
}
