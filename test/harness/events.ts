/** A client's event stream, as a server reads it. */
import { createParser } from 'eventsource-parser'
import { clientEvents } from '../../src/domain/protocol.ts'
import type { ClientEvent } from '../../src/domain/protocol.ts'

/** So long a test waits for an event; the next heartbeat is much sooner. */
const patienceMs = 30_000

/** The events of a client from the snapshot on, as long as they are read. */
export async function* readEvents(address: string, serverId: string): AsyncGenerator<ClientEvent> {
  const abort = new AbortController()
  const signal = AbortSignal.any([abort.signal, AbortSignal.timeout(patienceMs)])
  const { body } = await fetch(`${address}/events?server=${serverId}`, { signal })
  if (!body) throw new Error('the stream has no body')
  const events: ClientEvent[] = []
  const parser = createParser({
    onEvent: ({ event: name, data }) => {
      if (name === undefined || !(name in clientEvents)) throw new Error(`unknown event ${name}`)
      events.push({ name, data: JSON.parse(data) } as ClientEvent)
    },
  })
  try {
    for await (const text of body.pipeThrough(new TextDecoderStream())) {
      parser.feed(text)
      yield* events.splice(0)
    }
  } finally {
    abort.abort()
  }
}
