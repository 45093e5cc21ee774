/** Payloads by their keys, as our own servers ask for them. */
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { cancelKey, forgetKeys, killKey } from '../../client/kill.ts'
import { result } from '../../client/retrieve.ts'
import { Fault } from '../../domain/errors.ts'
import { Key, Keys } from '../../domain/protocol.ts'
import type { KeyReply } from '../../domain/protocol.ts'
import type { App } from '../app.ts'
import { general, generalOfChange, job, json, shared, zip } from '../schemas.ts'
import { sendZip } from '../zip.ts'
import type { ClientSteps } from './steps.ts'

const KeyParams = Type.Object({ key: Key })
const KeysParams = Type.Object({ keys: Keys })
const known = (description: string) => json(shared<Static<typeof KeyReply>>('Key'), description)

export function keyRoutes(app: App, steps: ClientSteps): void {
  const malformed = { 400: job('That is not a key.') }

  app.get(
    '/result/:key',
    {
      schema: {
        params: KeyParams,
        response: {
          ...general,
          200: zip('The packed result of a payload that has ended, however.'),
          404: job('There is no payload under this key.'),
          409: job('The payload has not ended.'),
          410: job('The disk has not kept it.'),
          ...malformed,
        },
      },
    },
    async (request, reply) => {
      const payload = steps.store.findByKey(request.params.key)
      if (!payload) throw new Fault('not_found', 'there is no payload under this key')
      const { sha256 } = payload.result ?? {}
      // RFC 9530
      if (sha256) {
        const digest = Buffer.from(sha256, 'hex').toString('base64')
        reply.header('repr-digest', `sha-256=:${digest}:`)
      }
      return sendZip(reply, await result(steps, payload), `payload-${payload.id}.zip`)
    },
  )

  app.delete(
    '/payloads/:keys',
    {
      schema: {
        params: KeysParams,
        response: {
          ...generalOfChange,
          204: Type.Null({ description: 'Nothing is held under these keys any more.' }),
          409: job('A payload has not ended; the others are forgotten.'),
          ...malformed,
        },
      },
    },
    async (request, reply) => {
      const left = await forgetKeys(steps, request.params.keys.split(','))
      if (left.length === 0) return reply.code(204).send(null)
      throw new Fault('conflict', `it has not ended, and can only be cancelled: ${left.join(', ')}`)
    },
  )

  app.post(
    '/payloads/:key/kill',
    {
      schema: {
        params: KeyParams,
        response: {
          ...generalOfChange,
          200: known('What is held is being ended, or is refused.'),
          ...malformed,
        },
      },
    },
    async (request) => ({ known: await killKey(steps, request.params.key, 'job terminated') }),
  )

  app.post(
    '/payloads/:key/cancel',
    {
      schema: {
        params: KeyParams,
        response: {
          ...generalOfChange,
          200: known('What was held has ended and is gone.'),
          ...malformed,
        },
      },
    },
    async (request) => ({ known: await cancelKey(steps, request.params.key) }),
  )
}
