/** Starts a script, also where the machine has no process or descriptor left for it just now. */
import { setTimeout as delay } from 'node:timers/promises'
import { messageOf, systemCode } from '../domain/errors.ts'
import type { Execution, Executor, Task } from '../executors/executor.ts'
import type { Log } from '../log.ts'

/** What others use up now, and may give back (errno(3)). */
const scarce = new Set(['EAGAIN', 'EMFILE', 'ENFILE', 'ENOMEM'])

const firstPauseMs = 50
const longestPauseMs = 1_000
/** Some half a minute in all; another client may have what this one lacks. */
const mostTries = 35

/**
 * @param isWanted whether it is still to be started.
 * @param stopping breaks the waiting off.
 * @returns `undefined` if it is not wanted any more, and was not started.
 * @throws Scarcity when there was nothing left for too long; other errors at once. Nothing has run.
 */
export async function startScript(
  { executor, log }: { readonly executor: Pick<Executor, 'start'>; readonly log: Log },
  task: Task,
  isWanted: () => boolean,
  stopping: AbortSignal,
): Promise<Execution | undefined> {
  for (let tries = 1; isWanted(); tries++) {
    try {
      return await executor.start(task)
    } catch (error) {
      if (!scarce.has(systemCode(error) ?? '')) throw error
      const why = messageOf(error)
      if (tries === mostTries) throw new Scarcity(why, { cause: error })
      const text = `payload ${task.id}: run.sh could not be started: ${why}; it is tried again`
      if (tries === 1) log.warn({ err: error, payload: task.id }, text)
    }
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** (tries - 1))
    await delay(pauseMs, undefined, { signal: stopping })
  }
  return undefined
}

/** The machine had nothing left to start a script with. */
export class Scarcity extends Error {
  override readonly name = 'Scarcity'
}
