import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { Fault } from '../../domain/errors.ts'
import { Wrong, parseDurationMs } from '../../domain/units.ts'
import type { JobWatch } from '../../server/watch.ts'

/** What is between us and whoever asks seldom lets a request wait for longer. */
const longestWaitMs = 60_000

/** The question of who asks about a job. */
export const WaitQuery = Type.Object({
  wait: Type.Optional(
    Type.String({
      description:
        'Answers when the job has ended, or after this time: seconds, or such as 30s or 500ms; a ' +
        'minute at most. Without it, at once.',
    }),
  ),
})

/** What asks about a job. */
type Asking = Pick<FastifyRequest, 'admitAgain'> & {
  readonly params: { readonly id: number }
  readonly query: { readonly wait?: string }
}

/**
 * Waits for the end of a job as long as was asked for. Who may not ask any more then is told nothing.
 *
 * @throws Fault `invalid` if that is no such time; `unauthenticated`.
 */
export async function waitFor(watch: JobWatch, request: Asking): Promise<void> {
  const { wait } = request.query
  if (wait === undefined || wait === '0') return
  const waitMs = parseDurationMs(wait)
  if (waitMs instanceof Wrong || waitMs > longestWaitMs) {
    const said = JSON.stringify(wait.slice(0, 80))
    throw new Fault('invalid', `wait is ${said}: it must be a time of at most 60s, such as 30s`)
  }
  await watch.final(request.params.id, waitMs)
  request.admitAgain()
}
