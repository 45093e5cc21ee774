/**
 * Ends scripts that run for longer than they may. Whoever sent them need not be there: what counts
 * is noted with the payload, and how long a script has run is told by the system.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { sayDuration } from '../domain/duration.ts'
import { messageOf } from '../domain/errors.ts'
import { timeLimitReason } from '../domain/max-runtime.ts'
import type { Payload } from '../domain/payload.ts'
import type { Execution } from '../executors/executor.ts'
import type { ClientContext } from './context.ts'
import { markKilled } from './mark-killed.ts'

/**
 * Timers rest while the machine is suspended, and none can wait for longer than 24 days; so it is
 * looked again after a while how long the script has run.
 */
const lookAgainMs = 60_000

type Context = Pick<ClientContext, 'store' | 'files' | 'log'>

/**
 * Watches over a script until it is stopped.
 *
 * @param lookMs between two looks at how long it has run, at most.
 * @returns resolves when nothing is done about it any more.
 */
export function watchRuntime(
  context: Context,
  { id, origin }: Payload,
  execution: Pick<Execution, 'ranMs' | 'kill'>,
  lookMs = lookAgainMs,
): { stop: () => Promise<void> } {
  const { maxRuntimeMs, maxRuntimeOf = 'service' } = origin ?? {}
  const stopping = new AbortController()
  const end = async () => {
    if (maxRuntimeMs === undefined) return
    const ranMs = await passed(execution, maxRuntimeMs, lookMs, stopping.signal)
    const payload = context.store.find(id)
    if (ranMs === undefined || !payload) return
    const reason = timeLimitReason({ maxRuntimeMs, maxRuntimeOf })
    const marked = await markKilled(context, payload, reason)
    if (!marked) return
    const how = `payload ${id} has run for ${sayDuration(ranMs)}, and is being ended`
    context.log.info({ payload: id, job: origin?.jobId, ranMs, maxRuntimeMs }, how)
    if (marked.fault !== undefined) {
      const why = `why payload ${id} is being ended could not be noted`
      context.log.warn({ payload: id }, `${why}: ${messageOf(marked.fault)}`)
    }
    execution.kill(reason)
  }
  const task = end().catch((error: unknown) => {
    context.log.error({ err: error, payload: id }, `payload ${id} has no time limit any more`)
  })
  return {
    stop() {
      stopping.abort()
      return task
    },
  }
}

/**
 * Resolves with how long a script has run when that is as long as it may; with `undefined` if it
 * ended before.
 */
async function passed(
  execution: Pick<Execution, 'ranMs'>,
  maxRuntimeMs: number,
  lookMs: number,
  signal: AbortSignal,
): Promise<number | undefined> {
  while (!signal.aborted) {
    const ranMs = await execution.ranMs()
    if (ranMs === undefined || signal.aborted) return undefined
    if (ranMs >= maxRuntimeMs) return ranMs
    const pauseMs = Math.ceil(Math.min(maxRuntimeMs - ranMs, lookMs))
    await delay(pauseMs, undefined, { signal }).catch(() => {})
  }
  return undefined
}
