/** Ends scripts that use more than they may, where the system does not do it by itself. */
import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../domain/errors.ts'
import type { LimitName } from '../domain/limits.ts'
import type { Payload } from '../domain/payload.ts'
import { sayEnforced } from '../domain/usage.ts'
import type { Execution } from '../executors/executor.ts'
import type { ClientContext } from './context.ts'
import { markKilled } from './mark-killed.ts'

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
    while (!signal.aborted && execution.bounds.areWatched) {
      const { passed, pauseMs } = await execution.bounds.look(execution.pid)
      if (passed !== undefined && !signal.aborted) await end(context, id, execution, passed)
      await delay(pauseMs, undefined, { signal }).catch(() => {})
    }
  }
  const task = watch().catch((error: unknown) => {
    context.log.error({ err: error, payload: id }, `the limits of payload ${id} are not watched`)
  })
  return {
    stop() {
      stopping.abort()
      return task
    },
  }
}

/** At once, for to be asked politely would be time to use even more. */
async function end(
  context: Context,
  id: number,
  execution: Pick<Execution, 'bounds' | 'kill'>,
  name: LimitName,
): Promise<void> {
  const payload = context.store.find(id)
  if (!payload) return
  const reason = sayEnforced(execution.bounds.limits, name)
  const marked = await markKilled(context, payload, reason)
  if (marked) {
    const job = payload.origin?.jobId
    context.log.info({ payload: id, job, limit: name }, `payload ${id} is ended by its ${reason}`)
    if (marked.fault !== undefined) {
      const why = `why payload ${id} is being ended could not be noted`
      context.log.warn({ payload: id }, `${why}: ${messageOf(marked.fault)}`)
    }
  }
  execution.kill(reason, true)
}
