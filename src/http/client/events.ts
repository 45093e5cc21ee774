import { Readable } from 'node:stream'
import { Type } from 'typebox'
import { ServerId } from '../../domain/protocol.ts'
import type { ClientEvent } from '../../domain/protocol.ts'
import type { App } from '../app.ts'
import { general, job } from '../schemas.ts'
import type { ClientSteps } from './steps.ts'

/** A reader that is so far behind is cut off; it begins again with a snapshot. */
const mostBehindBytes = 1024 * 1024

/** Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
export function eventRoute(app: App, { events, contacts, log }: ClientSteps): void {
  const streams = new Set<Readable>()

  app.get(
    '/events',
    {
      exposeHeadRoute: false,
      schema: {
        querystring: Type.Object({ server: ServerId }),
        response: {
          ...general,
          200: {
            description: 'A snapshot, then every change, without end.',
            content: { 'text/event-stream': { schema: Type.Unsafe<Readable>(Type.String()) } },
          },
          400: job('The id of the server is missing or malformed.'),
        },
      },
    },
    async (request, reply) => {
      const { server } = request.query
      const stream = new Readable({ read: () => {} })
      // The snapshot, which comes first, may be as large as it must.
      let mostBytes = Infinity
      const unsubscribe = events.subscribe(server, (event) => {
        stream.push(format(event))
        if (event.name === 'snapshot') mostBytes = stream.readableLength + mostBehindBytes
        if (stream.readableLength <= mostBytes) return
        log.warn({ server }, 'a server reads its events too slowly and is cut off')
        stream.destroy()
      })
      const end = contacts.begin(server)
      streams.add(stream)
      stream.once('close', () => {
        unsubscribe()
        end()
        streams.delete(stream)
      })
      reply.header('content-type', 'text/event-stream').header('cache-control', 'no-store')
      return reply.send(stream)
    },
  )

  // They would never end by themselves.
  app.addHook('preClose', async () => {
    for (const stream of streams) stream.push(null)
  })
}

function format({ name, data }: ClientEvent): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
}
