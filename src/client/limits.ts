/** Ends scripts that use more than they may, where the system does not do it by itself. */
import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../domain/errors.ts'
import { limitNames } from '../domain/limits.ts'
import type { Payload } from '../domain/payload.ts'
import { sayEnforced } from '../domain/usage.ts'
import type { Execution } from '../executors/executor.ts'
import type { ClientContext } from './context.ts'
import { markKilled } from './mark-killed.ts'

/** So many looks in a row may fail before a script ends that nobody can look at. */
const mostFailures = 5
const retryMs = 200

type Context = Pick<ClientContext, 'store' | 'files' | 'log'>

/**
 * Watches over a script until it is stopped.
 *
 * @returns resolves when nothing is done about it any more.
 */
export function watchLimits(
  context: Context,
  { id }: Payload,
  execution: Pick<Execution, 'pid' | 'bounds' | 'kill'>,
): { stop: () => Promise<void> } {
  const stopping = new AbortController()
  const { signal } = stopping
  const watch = async () => {
    for (let failures = 0; !signal.aborted && execution.bounds.areWatched;) {
      let pauseMs = retryMs
      try {
        const look = await execution.bounds.look(execution.pid)
        ;({ pauseMs } = look)
        failures = 0
        if (look.passed !== undefined && !signal.aborted) {
          await end(context, id, execution, sayEnforced(execution.bounds.limits, look.passed))
        }
      } catch (error) {
        context.log.error({ err: error, payload: id }, `the limits of payload ${id} were not seen`)
        if (++failures === mostFailures && !signal.aborted) {
          await end(context, id, execution, notWatched(execution.bounds, error))
        }
      }
      await delay(pauseMs, undefined, { signal }).catch(() => {})
    }
  }
  const task = watch().catch((error: unknown) => {
    context.log.error({ err: error, payload: id }, `the limits of payload ${id} are not watched`)
    execution.kill(notWatched(execution.bounds, error), true)
  })
  return {
    stop() {
      stopping.abort()
      return task
    },
  }
}

function notWatched({ limits }: Execution['bounds'], error: unknown): string {
  const name = limitNames.find((one) => limits[one]?.by === 'watching') ?? 'cpuTimeMs'
  return `${sayEnforced(limits, name)}, which could not be watched: ${messageOf(error)}`
}

/** At once, for to be asked politely would be time to use even more. */
async function end(
  context: Context,
  id: number,
  execution: Pick<Execution, 'bounds' | 'kill'>,
  reason: string,
): Promise<void> {
  const payload = context.store.find(id)
  if (!payload) return
  const marked = await markKilled(context, payload, reason)
  if (marked) {
    const job = payload.origin?.jobId
    context.log.info({ payload: id, job, reason }, `payload ${id} is ended by its ${reason}`)
    if (marked.fault !== undefined) {
      const why = `why payload ${id} is being ended could not be noted`
      context.log.warn({ payload: id }, `${why}: ${messageOf(marked.fault)}`)
    }
  }
  execution.kill(reason, true)
}
