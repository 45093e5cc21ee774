import { isFinal } from '../../domain/job.ts'
import type { Terminator } from '../../server/terminate.ts'
import type { App } from '../app.ts'
import { IdParams, general, job } from '../schemas.ts'

export function terminateRoute(
  app: App,
  { terminator }: { readonly terminator: Pick<Terminator, 'terminate'> },
): void {
  app.post(
    '/terminate/:id',
    {
      config: { scope: 'terminate' },
      schema: {
        tags: ['jobs'],
        summary: 'End a job',
        description: 'A queued job is not sent; a running one has all its processes ended.',
        params: IdParams,
        response: {
          ...general,
          200: job('It has ended; the status is the true one, `Killed` unless it was quicker.'),
          202: job('It is recorded and will be done; the client has not confirmed it yet.'),
          400: job('The id is not a positive integer.'),
          404: job('There is no such job.'),
          409: job('It had ended otherwise before.'),
        },
      },
    },
    async (request, reply) => {
      const { id, status, message } = await terminator.terminate(request.params.id)
      if (!isFinal(status)) {
        return reply.code(202).send({ id, status, message: 'job is being terminated' })
      }
      const killed = status === 'Killed'
      return reply.code(200).send({ id, status, message: killed ? 'job terminated' : message })
    },
  )
}
