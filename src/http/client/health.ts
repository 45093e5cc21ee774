import { Type } from 'typebox'
import { messageOf } from '../../domain/errors.ts'
import type { ClientHealth } from '../../domain/protocol.ts'
import type { App } from '../app.ts'
import { general, json, message, shared } from '../schemas.ts'
import type { ClientSteps } from './steps.ts'

/** What is said of payloads when their table does not answer. */
const nothingKnown = { active: 0, unfetched: 0, kept: 0 }

export function healthRoutes(app: App, steps: ClientSteps): void {
  const { store, instance, meter, slots, drain, space, sandbox, enforcement, log } = steps
  app.get('/', { schema: { response: { ...general, 200: message('There is.') } } }, () => ({
    message: 'pong',
  }))

  app.get(
    '/health',
    {
      schema: {
        response: {
          ...general,
          200: json(shared<ClientHealth>('ClientHealth'), 'All is well.'),
          503: json(
            shared<ClientHealth>('ClientHealth'),
            'The table of payloads does not answer, or scripts cannot be isolated.',
          ),
        },
      },
    },
    async (_request, reply) => {
      const { draining } = drain
      const lowSpace = space.look() !== undefined
      const load = meter.percent
      const trouble = sandbox.trouble ?? steps.isolation.trouble
      const isolation = { ...steps.isolation, trouble }
      const known = { instance, load, slots, draining, lowSpace, isolation, enforcement }
      try {
        store.check()
        const status = sandbox.trouble === undefined ? 'ok' : 'unavailable'
        reply.code(status === 'ok' ? 200 : 503)
        return await reply.send({ status, database: 'ok', ...known, ...drain.left })
      } catch (error) {
        log.error({ err: error }, `the table of payloads does not answer: ${messageOf(error)}`)
        const bad = 'unavailable' as const
        return reply.code(503).send({ status: bad, database: bad, ...known, ...nothingKnown })
      }
    },
  )

  app.get(
    '/load',
    {
      schema: {
        response: {
          ...general,
          200: json(
            Type.Number({ minimum: 0, maximum: 100 }),
            'Use of the CPUs that it may use, in percent.',
          ),
        },
      },
    },
    async (_request, reply) => reply.type('application/json').send(meter.percent),
  )
}
