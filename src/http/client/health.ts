import { Type } from 'typebox'
import type { Static } from 'typebox'
import { messageOf } from '../../domain/errors.ts'
import type { ClientHealth } from '../../domain/protocol.ts'
import type { App } from '../app.ts'
import { internal, json, message, shared } from '../schemas.ts'
import type { ClientSteps } from './steps.ts'

type Health = Static<typeof ClientHealth>

export function healthRoutes(app: App, { store, memory, meter, slots, log }: ClientSteps): void {
  app.get('/', { schema: { response: { 200: message('There is.'), ...internal } } }, () => ({
    message: 'pong',
  }))

  app.get(
    '/health',
    {
      schema: {
        response: {
          200: json(shared<Health>('ClientHealth'), 'All is well.'),
          503: json(shared<Health>('ClientHealth'), 'The table of payloads does not answer.'),
          ...internal,
        },
      },
    },
    async (_request, reply) => {
      const known = { instance: memory.instance, load: meter.percent, slots }
      try {
        store.check()
        const { active } = store.count()
        return await reply.send({ status: 'ok', database: 'ok', ...known, active })
      } catch (error) {
        log.error({ err: error }, `the table of payloads does not answer: ${messageOf(error)}`)
        const bad = 'unavailable' as const
        return reply.code(503).send({ status: bad, database: bad, ...known, active: 0 })
      }
    },
  )

  app.get(
    '/load',
    {
      schema: {
        response: {
          200: json(Type.Number({ minimum: 0, maximum: 100 }), 'CPU use in percent.'),
          ...internal,
        },
      },
    },
    async (_request, reply) => reply.type('application/json').send(meter.percent),
  )
}
