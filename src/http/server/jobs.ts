import type { JobDetails } from '../../domain/protocol.ts'
import { describeJob } from '../../server/describe.ts'
import type { DescribeContext } from '../../server/describe.ts'
import type { App } from '../app.ts'
import type { JobWatch } from '../../server/watch.ts'
import { IdParams, general, job, json, shared } from '../schemas.ts'
import { WaitQuery, waitFor } from './wait.ts'

export function jobRoutes(app: App, context: DescribeContext & { readonly watch: JobWatch }): void {
  app.get(
    '/jobs/:id',
    {
      config: { scope: 'read' },
      schema: {
        tags: ['jobs'],
        summary: 'All that is known of a job: its attempts and its history',
        params: IdParams,
        querystring: WaitQuery,
        response: {
          ...general,
          200: json(shared<JobDetails>('JobDetails'), 'The job.'),
          400: job('The id is not a positive integer, or `wait` is no such time.'),
          404: job('There is no such job.'),
        },
      },
    },
    async (request) => {
      await waitFor(context.watch, request)
      return describeJob(context, request.params.id)
    },
  )
}
