import type { ServerHealth } from '../../domain/protocol.ts'
import { describeHealth } from '../../server/health.ts'
import type { HealthContext } from '../../server/health.ts'
import type { App } from '../app.ts'
import { general, json, message, shared } from '../schemas.ts'

export function healthRoutes(app: App, context: HealthContext): void {
  app.get(
    '/',
    {
      config: { scope: 'public' },
      schema: {
        tags: ['operation'],
        summary: 'Is anybody there?',
        response: { ...general, 200: message('There is.') },
      },
    },
    () => ({ message: 'pong' }),
  )

  app.get(
    '/health',
    {
      config: { scope: 'public' },
      schema: {
        tags: ['operation'],
        summary: 'How the server, its services and their clients are',
        response: {
          ...general,
          200: json(shared<ServerHealth>('ServerHealth'), 'All is well.'),
          503: json(shared<ServerHealth>('ServerHealth'), 'The database does not answer.'),
        },
      },
    },
    async (_request, reply) => {
      const health = await describeHealth(context)
      return reply.code(health.status === 'ok' ? 200 : 503).send(health)
    },
  )
}
