/** Tells each server of its payloads at once; the server need never ask. */
import { payloadEnded, serverOf } from '../domain/payload.ts'
import type { Payload } from '../domain/payload.ts'
import { heartbeatMs, protocolVersion } from '../domain/protocol.ts'
import type { ClientEvent, LoadEvent, PayloadEvent, SnapshotEvent } from '../domain/protocol.ts'
import type { PayloadStore } from '../store/payloads.ts'

type Listener = (event: ClientEvent) => void

/** So many losses are remembered for servers that are away. */
const mostLosses = 1_000

export class EventHub {
  readonly #about: Pick<SnapshotEvent, 'instance' | 'isolation'>
  readonly #store: PayloadStore
  readonly #load: () => LoadEvent
  readonly #listeners = new Map<Listener, string>()
  /** Why payloads were lost, by their keys, those of long ago first. */
  readonly #lost = new Map<string, string>()
  #heartbeat: NodeJS.Timeout | undefined
  #isBeatDue = false

  /** @param about what is told of this client once, in each snapshot. */
  constructor(
    about: Pick<SnapshotEvent, 'instance' | 'isolation'>,
    store: PayloadStore,
    load: () => LoadEvent,
  ) {
    this.#about = about
    this.#store = store
    this.#load = load
  }

  /**
   * Gives the listener a snapshot, and then every change, until the returned function is called.
   * Snapshot and subscription are one synchronous act: nothing can happen between them.
   */
  subscribe(serverId: string, listener: Listener): () => void {
    const payloads = this.#store.ofServer(serverId).flatMap((payload) => toEvent(payload) ?? [])
    const load = this.#load()
    const lost = [...this.#lost]
      .filter(([key]) => serverOf(key) === serverId)
      .map(([key, message]) => ({ key, message }))
    const about = { protocol: protocolVersion, ...this.#about, load, payloads }
    listener({ name: 'snapshot', data: { ...about, ...(lost.length > 0 && { lost }) } })
    this.#listeners.set(listener, serverId)
    this.#heartbeat ??= setInterval(() => this.#beat(), heartbeatMs)
    return () => this.#unsubscribe(listener)
  }

  #unsubscribe(listener: Listener): void {
    this.#listeners.delete(listener)
    if (this.#listeners.size > 0) return
    clearInterval(this.#heartbeat)
    this.#heartbeat = undefined
  }

  /**
   * Tells the payload's server how it is now.
   *
   * @param zip its result, if it is small: it is told with it.
   */
  tell(payload: Payload, zip?: Uint8Array): void {
    const event = toEvent(payload)
    const data = event && zip ? { ...event, zip: Buffer.from(zip).toString('base64') } : event
    if (data) this.#tellServer(data.key, { name: 'payload', data })
    if (payloadEnded(payload.status)) this.#beatSoon()
  }

  /** Tells the payload's server that nothing is left of it. */
  tellLost({ origin }: Payload, message: string): void {
    if (origin) {
      this.noteLost(origin.key, message)
      this.#tellServer(origin.key, { name: 'lost', data: { key: origin.key, message } })
    }
    this.#beatSoon()
  }

  /** Why a payload was lost, as far as is remembered. */
  whyLost(key: string): string | undefined {
    return this.#lost.get(key)
  }

  /** Has it told in snapshots why a payload is not there any more. */
  noteLost(key: string, message: string): void {
    this.#lost.set(key, message)
    const [oldest] = this.#lost.keys()
    if (oldest !== undefined && this.#lost.size > mostLosses) this.#lost.delete(oldest)
  }

  /** Tells every server at once how busy this client is, and whether it drains. */
  tellLoad(): void {
    this.#beat()
  }

  /** Who waits for a slot waits for this; ends that come together are one beat. */
  #beatSoon(): void {
    if (this.#isBeatDue) return
    this.#isBeatDue = true
    setImmediate(() => {
      this.#isBeatDue = false
      this.#beat()
    })
  }

  #tellServer(key: string, event: ClientEvent): void {
    for (const [listener, serverId] of this.#listeners) {
      if (serverOf(key) === serverId) listener(event)
    }
  }

  #beat(): void {
    const data = this.#load()
    for (const listener of this.#listeners.keys()) listener({ name: 'load', data })
  }
}

function toEvent({ id, origin, status, message, result }: Payload): PayloadEvent | undefined {
  if (!origin) return undefined
  return { key: origin.key, id, status, message, ...(result && { result }) }
}
