import type { DrainReply } from '../../domain/protocol.ts'
import type { App } from '../app.ts'
import { generalOfChange, json, shared } from '../schemas.ts'
import type { ClientSteps } from './steps.ts'

/** Draining, for the operator: begun, ended and looked at. */
export function drainRoutes(app: App, { drain }: ClientSteps): void {
  const schema = {
    response: {
      ...generalOfChange,
      200: json(shared<DrainReply>('Drain'), 'How it is now, and what is left.'),
    },
  }
  app.get('/drain', { schema }, () => drain.state)
  app.post('/drain', { schema }, () => {
    drain.begin()
    return drain.state
  })
  app.delete('/drain', { schema }, () => {
    drain.end()
    return drain.state
  })
}
