import { Type } from 'typebox'
import { upload } from '../../server/upload.ts'
import type { UploadContext } from '../../server/upload.ts'
import type { App } from '../app.ts'
import { readParts } from '../multipart.ts'
import { internal, job } from '../schemas.ts'

/** For the document only: the body is checked as it streams by. */
const UploadForm = Type.Object({
  user_id: Type.String({
    description: 'Whose job it is: quotas are per user. An integer or any short token.',
    pattern: '^[A-Za-z0-9._@-]{1,128}$',
  }),
  service: Type.String({ description: 'Which service is to run it; case does not matter.' }),
  file: Type.Array(Type.String({ format: 'binary' }), {
    description:
      'The files, run.sh among them, as parts with a filename; a relative path is kept. ' +
      'The name of the part does not matter.',
  }),
})

export function uploadRoute(
  app: App,
  context: UploadContext & { readonly maxUploadSizeBytes: number },
): void {
  app.post(
    '/upload',
    {
      schema: {
        tags: ['jobs'],
        summary: 'Send a job',
        description: 'When it is answered with 201, the job is on disk and will end.',
        consumes: ['multipart/form-data'],
        body: UploadForm,
        response: {
          201: job('The job is queued.'),
          400: job('A field, a file name or the body is wrong; the message says which.'),
          413: job('Larger than MAX_UPLOAD_SIZE.'),
          415: job('The body is not multipart/form-data.'),
          507: job('The disk is full.'),
          ...internal,
        },
      },
      validatorCompiler: () => () => true,
    },
    async (request, reply) => {
      const parts = readParts(request.raw, context.maxUploadSizeBytes)
      const { id, status } = await upload(context, parts)
      return reply.code(201).send({ id, status, message: 'job queued' })
    },
  )
}
