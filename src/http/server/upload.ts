import { Type } from 'typebox'
import type { TOptional, TString } from 'typebox'
import { limitKinds, limitNames } from '../../domain/limits.ts'
import { upload } from '../../server/upload.ts'
import type { UploadContext } from '../../server/upload.ts'
import type { FastifyRequest } from 'fastify'
import type { Part } from '../../domain/part.ts'
import type { App } from '../app.ts'
import { readParts } from '../multipart.ts'
import type { BodyLimits } from '../multipart.ts'
import { general, job } from '../schemas.ts'
import { readIdempotencyKey } from './idempotency-key.ts'

/** `max_memory` and its like. */
function limitFields() {
  const fields = limitNames.map((name) => {
    const { field, what } = limitKinds[name]
    const description = `The most that is allowed: ${what}. The service may allow less.`
    return [field, Type.Optional(Type.String({ description }))]
  })
  return Object.fromEntries(fields) as Record<string, TOptional<TString>>
}

/** For the document only: the body is checked as it streams by. */
const UploadForm = Type.Object({
  user_id: Type.String({
    description: 'Whose job it is: quotas are per user. An integer or any short token.',
    pattern: '^[A-Za-z0-9._@-]{1,128}$',
  }),
  service: Type.String({ description: 'Which service is to run it; case does not matter.' }),
  max_attempts: Type.Optional(
    Type.Integer({
      description: 'run.sh is run again when it fails, until it succeeds or so many runs failed.',
      minimum: 1,
      maximum: 100,
      default: 1,
    }),
  ),
  max_runtime: Type.Optional(
    Type.String({
      description:
        'run.sh is ended, and has failed, when it runs for longer: 90min, 2h, or a number of ' +
        'seconds. The service may allow less.',
    }),
  ),
  ...limitFields(),
  file: Type.Array(Type.String({ format: 'binary' }), {
    description:
      'The files, run.sh among them, as parts with a filename; a relative path is kept. ' +
      'The name of the part does not matter.',
  }),
})

/** For the document only, too. */
const UploadHeaders = Type.Object({
  'Idempotency-Key': Type.Optional(
    Type.String({
      description:
        'Makes the upload one job, however often it is sent: any name that this user has not ' +
        'given to another upload, such as a random UUID.',
      pattern: '^[!-~]{1,255}$',
    }),
  ),
})

export function uploadRoute(
  app: App,
  context: UploadContext & {
    readonly maxUploadSizeBytes: number
    readonly bodyTimeoutMs: number
  },
): void {
  const limits: BodyLimits = {
    mostBytes: context.maxUploadSizeBytes,
    mostBytesName: 'MAX_UPLOAD_SIZE',
    mostFiles: context.maxUploadFiles,
    timeoutMs: context.bodyTimeoutMs,
  }
  app.post(
    '/upload',
    {
      config: { scope: 'submit' },
      schema: {
        tags: ['jobs'],
        summary: 'Send a job',
        description:
          'When it is answered with 201, the job is on disk and will end. Without an answer, send ' +
          'it again under the same Idempotency-Key: there will be one job.',
        consumes: ['multipart/form-data'],
        headers: UploadHeaders,
        body: UploadForm,
        response: {
          ...general,
          200: job('It came under this Idempotency-Key before: how that job is now.'),
          201: job('The job is queued.'),
          400: job('A field, a file name, the key or the body is wrong; the message says which.'),
          408: job('The head took longer than HEADERS_TIMEOUT, or nothing came for BODY_TIMEOUT.'),
          409: job(
            'An upload under this key is being received; Retry-After says when to ask again.',
          ),
          413: job('Larger than MAX_UPLOAD_SIZE, or more files than MAX_UPLOAD_FILES.'),
          415: job('The body is not multipart/form-data.'),
          422: job('Other fields or files came under this key before.'),
          429: job(
            'So many uploads of this user are being received, or so many of its jobs queued, as ' +
              'may be; Retry-After says when to ask again.',
          ),
          503: job('So many uploads are being received as may be, or the server is stopping.'),
          507: job('The disk is full.'),
        },
      },
      validatorCompiler: () => () => true,
    },
    async (request, reply) => {
      const key = readIdempotencyKey(request.raw)
      const parts = whileAdmitted(request, readParts(request.raw, limits))
      const { job: taken, isNew } = await upload(context, parts, request.access, key)
      const { id, status, message } = taken
      if (!isNew) return reply.code(200).send({ id, status, message })
      return reply.code(201).send({ id, status, message: 'job queued' })
    },
  )
}

/** A body may take hours: who may not send any more when it ends has sent nothing. */
async function* whileAdmitted(
  request: Pick<FastifyRequest, 'admitAgain'>,
  parts: AsyncGenerator<Part>,
): AsyncGenerator<Part> {
  yield* parts
  request.admitAgain()
}
