/** The client's HTTP API. */
import { ClientHealth, DrainReply, KeyReply, PayloadReply } from '../../domain/protocol.ts'
import { serverOf } from '../../domain/payload.ts'
import { createApp } from '../app.ts'
import type { App } from '../app.ts'
import { drainRoutes } from './drain.ts'
import { eventRoute } from './events.ts'
import { healthRoutes } from './health.ts'
import { keyRoutes } from './keys.ts'
import { payloadRoutes } from './payloads.ts'
import type { ClientSteps } from './steps.ts'
import { submitRoute } from './submit.ts'

export function createClientApp(steps: ClientSteps): App {
  const app = createApp(steps.log, '; this is a client: applications talk to the server')
  app.addSchema(PayloadReply)
  app.addSchema(KeyReply)
  app.addSchema(ClientHealth)
  app.addSchema(DrainReply)
  // Whoever names a key is in touch; after validation, so it is one.
  app.addHook('preHandler', async ({ params }) => {
    const { key, keys } = params as { key?: string; keys?: string }
    for (const one of key === undefined ? (keys?.split(',') ?? []) : [key]) {
      steps.contacts.touch(serverOf(one))
    }
  })
  healthRoutes(app, steps)
  submitRoute(app, steps)
  payloadRoutes(app, steps)
  keyRoutes(app, steps)
  eventRoute(app, steps)
  drainRoutes(app, steps)
  return app
}
