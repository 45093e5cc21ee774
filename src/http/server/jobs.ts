import type { JobDetails } from '../../domain/protocol.ts'
import { describeJob } from '../../server/describe.ts'
import type { DescribeContext } from '../../server/describe.ts'
import type { App } from '../app.ts'
import { IdParams, internal, job, json, shared } from '../schemas.ts'

export function jobRoutes(app: App, context: DescribeContext): void {
  app.get(
    '/jobs/:id',
    {
      schema: {
        tags: ['jobs'],
        summary: 'All that is known of a job: its attempts and its history',
        params: IdParams,
        response: {
          200: json(shared<JobDetails>('JobDetails'), 'The job.'),
          400: job('The id is not a positive integer.'),
          404: job('There is no such job.'),
          ...internal,
        },
      },
    },
    (request) => describeJob(context, request.params.id),
  )
}
