/** The server's connection to one client. */
import { Value } from 'typebox/value'
import type { Candidate } from '../domain/choose-client.ts'
import { Fault, messageOf } from '../domain/errors.ts'
import type { ClientAddress } from '../domain/job.ts'
import { clientEvents, protocolVersion } from '../domain/protocol.ts'
import type { ClientEvent, LoadEvent } from '../domain/protocol.ts'
import type { Log } from '../log.ts'
import { Loop } from '../loop.ts'
import type { JobStore } from '../store/jobs.ts'
import { backOffMs } from './back-off.ts'
import type { ClientListener } from './client-listener.ts'
import type { ClientGateway } from './gateway.ts'

export class ClientLink implements Candidate {
  readonly address: ClientAddress
  /** Ids of the active jobs that are at this client. */
  readonly activeJobs = new Set<number>()
  readonly #gateway: ClientGateway
  readonly #store: JobStore
  readonly #listener: ClientListener
  readonly #log: Log
  readonly #loop: Loop
  #state: LoadEvent | undefined
  #failures = 0
  #refusals = 0
  #heldOffUntil = 0
  #lastTrouble: string | undefined
  #lastKind: string | undefined
  #tried = Promise.withResolvers<void>()
  #reachable = Promise.withResolvers<void>()

  constructor(
    address: ClientAddress,
    gateway: ClientGateway,
    store: JobStore,
    listener: ClientListener,
    log: Log,
  ) {
    this.address = address
    this.#gateway = gateway
    this.#store = store
    this.#listener = listener
    this.#log = log.child({ client: address.uploadUrl })
    this.#loop = new Loop('link', (signal) => this.#connect(signal), this.#log)
  }

  start(): void {
    this.#loop.start()
  }

  async stop(): Promise<void> {
    await this.#loop.stop()
  }

  /** It is connected. */
  get reachable(): boolean {
    return this.#state !== undefined
  }

  /** It may be sent a job. */
  get healthy(): boolean {
    return this.reachable && this.heldOffForMs === 0
  }

  get slots(): number | null {
    return this.#state?.slots ?? null
  }

  /** Payloads of ours that it has, or of others if it says so. */
  get active(): number {
    return Math.max(this.activeJobs.size, this.#state?.active ?? 0)
  }

  get load(): number {
    return this.#state?.load ?? 0
  }

  /** Why it cannot be reached, while it cannot. */
  get trouble(): string | undefined {
    return this.reachable ? undefined : this.#lastTrouble
  }

  /** Resolves when the first try to connect has succeeded or failed. */
  get tried(): Promise<void> {
    return this.#tried.promise
  }

  /** Resolves when it is connected, at once if it is. */
  async whenReachable(signal: AbortSignal): Promise<void> {
    if (this.reachable) return
    const { promise: aborted, reject } = Promise.withResolvers<never>()
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    try {
      signal.throwIfAborted()
      await Promise.race([this.#reachable.promise, aborted])
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  /** It refused a job for now: nothing more is sent to it for a while, longer each time. */
  holdOff(): void {
    this.#heldOffUntil = performance.now() + backOffMs(this.#refusals++)
  }

  /** It took a job. */
  took(): void {
    this.#refusals = 0
  }

  get heldOffForMs(): number {
    return Math.max(0, this.#heldOffUntil - performance.now())
  }

  /** One connection: from the snapshot to its end. Returns when to try again. */
  async #connect(signal: AbortSignal): Promise<number> {
    const held = await this.#store.active(this.address.uploadUrl)
    const accepted = held.filter(({ job }) => job.status !== 'Processing')
    const expected = new Set(accepted.map(({ attempt }) => attempt.key))
    try {
      for await (const event of this.#gateway.events(this.address, this.#store.serverId, signal)) {
        this.#handle(event, expected)
      }
      throw new Fault('unreachable', 'the client closed the connection')
    } catch (error) {
      if (!signal.aborted) this.#lose(error)
    }
    return backOffMs(this.#failures++)
  }

  #handle(event: ClientEvent, expected: ReadonlySet<string>): void {
    if (!Value.Check(clientEvents[event.name], event.data)) {
      throw new Fault('unreachable', `the client sent a malformed "${event.name}" event`)
    }
    switch (event.name) {
      case 'snapshot':
        if (event.data.protocol !== protocolVersion) {
          throw new Fault(
            'unsupported',
            `it speaks version ${event.data.protocol} of the protocol, this server ` +
              `${protocolVersion}: upgrade the older one`,
          )
        }
        this.#connected(event.data.load)
        return this.#listener.onSnapshot(this.address, event.data, expected)
      case 'payload':
        return this.#listener.onPayload(this.address, event.data)
      case 'lost':
        return this.#listener.onLost(this.address, event.data)
      case 'load':
        return this.#update(event.data)
    }
  }

  #connected(load: LoadEvent): void {
    this.#failures = 0
    this.#lastTrouble = undefined
    this.#lastKind = undefined
    this.#update(load)
    this.#log.info(`client ${this.address.uploadUrl} is reachable`)
    this.#reachable.resolve()
    this.#tried.resolve()
  }

  #update(load: LoadEvent): void {
    const before = this.#state
    this.#state = load
    const freed = load.slots !== null && load.active < (before?.active ?? Infinity)
    if (freed) this.#heldOffUntil = 0
    if (!before || freed) this.#listener.onFree()
  }

  /**
   * Says so once: a connection that broke and one that is refused since then are the same news. Only
   * trouble of another kind is told too.
   */
  #lose(error: unknown): void {
    if (this.reachable) this.#reachable = Promise.withResolvers()
    this.#state = undefined
    this.#lastTrouble = messageOf(error)
    const kind = error instanceof Fault ? error.code : 'unforeseen'
    if (kind !== this.#lastKind) {
      const unforeseen = error instanceof Fault ? {} : { err: error }
      const { uploadUrl } = this.address
      this.#log.warn(unforeseen, `client ${uploadUrl} is not reachable: ${this.#lastTrouble}`)
    }
    this.#lastKind = kind
    this.#tried.resolve()
  }
}
