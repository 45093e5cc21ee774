import { Type } from 'typebox'
import { submit } from '../../client/submit.ts'
import { SubmitOptions, optionsPart } from '../../domain/protocol.ts'
import type { PayloadReply } from '../../domain/protocol.ts'
import type { App } from '../app.ts'
import { generalOfChange, job, json, shared } from '../schemas.ts'
import type { ReadBody } from './gate.ts'
import type { ClientSteps } from './steps.ts'
import { payloadReply } from './reply.ts'

/** For the document only: the body is checked as it streams by. */
const SubmitForm = Type.Object({
  [optionsPart]: Type.Optional(SubmitOptions),
  file: Type.Array(Type.String({ format: 'binary' }), {
    description: 'The files, run.sh among them, as parts with a filename.',
  }),
})

/** @param readBody reads what comes, and refuses what is not what it should be. */
export function submitRoute(app: App, steps: ClientSteps, readBody: ReadBody): void {
  app.post(
    '/submit',
    {
      schema: {
        consumes: ['multipart/form-data'],
        body: SubmitForm,
        response: {
          ...generalOfChange,
          200: json(shared<PayloadReply>('Payload'), 'It is here, durably.'),
          400: job('The files are not what can be run.'),
          408: job('The head took longer than HEADERS_TIMEOUT, or nothing came for BODY_TIMEOUT.'),
          409: job('A payload is being received under this key.'),
          410: job('This key was cancelled or forgotten.'),
          413: job('Larger than MAX_UPLOAD_SIZE, or more files than MAX_UPLOAD_FILES.'),
          415: job('The body is not multipart/form-data.'),
          503: job('No slot is free, too many payloads are being received, or the client drains.'),
          507: job('The disk is full.'),
        },
      },
      validatorCompiler: () => () => true,
    },
    async (request) => {
      const { raw } = request
      const payload = await submit(steps, readBody(raw), () => raw.complete || raw.destroy())
      return payloadReply(payload, steps.instance)
    },
  )
}
