import type { JobReply } from '../../domain/protocol.ts'
import { download, downloadPartial } from '../../server/download.ts'
import type { DownloadContext } from '../../server/download.ts'
import type { App } from '../app.ts'
import { IdParams, general, job, shared, zip, zipOr } from '../schemas.ts'
import { sendZip } from '../zip.ts'
import { WaitQuery, waitFor } from './wait.ts'
import type { JobWatch } from '../../server/watch.ts'

export function downloadRoutes(
  app: App,
  context: DownloadContext & { readonly watch: JobWatch },
): void {
  app.get(
    '/download/:id',
    {
      config: { scope: 'read' },
      schema: {
        tags: ['jobs'],
        summary: 'The result of a job, or how the job is',
        description:
          'Ask until the Content-Type is application/zip, or until the JSON has a status that is final.',
        params: IdParams,
        querystring: WaitQuery,
        response: {
          ...general,
          200: zipOr(
            shared<JobReply>('Job'),
            'A ZIP when the job is Completed; the job as JSON in every other status.',
          ),
          400: job('The id is not a positive integer, or `wait` is no such time.'),
          404: job('There is no such job.'),
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      await waitFor(context.watch, request)
      const found = await download(context, id)
      if (found.zip) return sendZip(reply, found.zip, `job-${id}.zip`)
      const { status, message } = found.job
      return reply.type('application/json').send({ id, status, message })
    },
  )

  app.get(
    '/download_partial/:id',
    {
      config: { scope: 'read' },
      schema: {
        tags: ['jobs'],
        summary: 'The files of a job as they are now',
        description:
          'Of a queued job the uploaded files; of an active one its work directory as it is; ' +
          'of one that has ended, however, its result.',
        params: IdParams,
        response: {
          ...general,
          200: zip('The files.'),
          400: job('The id is not a positive integer.'),
          404: job('There is no such job, or its files are gone.'),
          503: job('The client that has the files does not answer.'),
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const abort = new AbortController()
      reply.raw.once('close', () => abort.abort())
      return sendZip(reply, await downloadPartial(context, id, abort.signal), `job-${id}.zip`)
    },
  )
}
