/** Payloads by their ids, as servers of 2.2.3 ask for them. */
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { kill } from '../../client/kill.ts'
import { findPayload, partial, result } from '../../client/retrieve.ts'
import { Fault } from '../../domain/errors.ts'
import { serverOf } from '../../domain/payload.ts'
import type { Payload } from '../../domain/payload.ts'
import { keyHeader } from '../../domain/protocol.ts'
import type { PayloadReply } from '../../domain/protocol.ts'
import type { App } from '../app.ts'
import { IdParams, general, generalOfChange, job, shared, zip, zipOr } from '../schemas.ts'
import { sendZip } from '../zip.ts'
import type { ClientSteps } from './steps.ts'
import { payloadReply } from './reply.ts'

/** An empty body; `null` in the document says so. */
const nothing = (description: string) => Type.Unsafe<undefined>(Type.Null({ description }))

const KeyHeader = Type.Object({
  [keyHeader]: Type.Optional(
    Type.String({ description: 'The key that the payload has to have; without it, any.' }),
  ),
})

export function payloadRoutes(app: App, steps: ClientSteps): void {
  const find = (request: FastifyRequest, id: number): Payload => {
    const payload = findPayload(steps, id)
    const key = request.headers[keyHeader]
    if (key !== undefined && key !== payload.origin?.key) {
      throw new Fault('conflict', `payload ${id} has another key`)
    }
    if (key !== undefined) steps.contacts.touch(serverOf(key))
    return payload
  }
  const refusals = {
    400: job('The id is not a positive integer.'),
    404: job('There is no such payload.'),
    409: job('The payload has another key.'),
  }

  app.get(
    '/retrieve/:id',
    {
      schema: {
        params: IdParams,
        headers: KeyHeader,
        response: {
          ...general,
          200: zipOr(shared<PayloadReply>('Payload'), 'The result if Completed, else the payload.'),
          ...refusals,
        },
      },
    },
    async (request, reply) => {
      const payload = find(request, request.params.id)
      if (payload.status === 'Completed') {
        return sendZip(reply, await result(steps, payload), `payload-${payload.id}.zip`)
      }
      return reply.type('application/json').send(payloadReply(payload, steps.instance))
    },
  )

  app.get(
    '/retrieve_partial/:id',
    {
      schema: {
        params: IdParams,
        headers: KeyHeader,
        response: { ...general, 200: zip('Its files as they are.'), ...refusals },
      },
    },
    async (request, reply) => {
      const payload = find(request, request.params.id)
      return sendZip(reply, await partial(steps, payload), `payload-${payload.id}.zip`)
    },
  )

  app.post(
    '/kill/:id',
    {
      schema: {
        params: IdParams,
        headers: KeyHeader,
        response: { 200: nothing('It is being ended.'), ...generalOfChange, ...refusals },
      },
    },
    async (request, reply) => {
      await kill(steps, find(request, request.params.id), 'job terminated')
      return reply.code(200).send()
    },
  )
}
