/** The server's connection to one client. */
import { Compile } from 'typebox/compile'
import type { Candidate } from '../domain/choose-client.ts'
import { Fault, messageOf } from '../domain/errors.ts'
import type { ClientAddress } from '../domain/job.ts'
import { clientEvents, protocolVersion } from '../domain/protocol.ts'
import type { ClientEvent, LoadEvent, SnapshotEvent } from '../domain/protocol.ts'
import { Silence } from '../domain/silence.ts'
import type { Log } from '../log.ts'
import { Loop } from '../loop.ts'
import type { JobStore } from '../store/jobs.ts'
import { backOffMs } from './back-off.ts'
import type { ClientListener } from './client-listener.ts'
import { takesJobs, tellNews } from './client-news.ts'
import type { ClientGateway } from './gateway.ts'
import { HoldOff } from './hold-off.ts'
import { OlderClient } from './older-client.ts'
import type { OlderClientContext } from './older-client.ts'
import { Sendings } from './sendings.ts'

/** Longest pause between two tries to connect: who comes back is to be noticed within seconds. */
const longestPauseMs = 2_000

/** Compiled: a fleet tells a great deal. */
const checks = {
  snapshot: Compile(clientEvents.snapshot),
  payload: Compile(clientEvents.payload),
  lost: Compile(clientEvents.lost),
  load: Compile(clientEvents.load),
} satisfies Record<ClientEvent['name'], unknown>

/** What a link calls. */
export type LinkContext = {
  readonly gateway: ClientGateway
  readonly store: JobStore
  readonly listener: ClientListener
  readonly log: Log
  /** For a client of version 2.2.3. */
  readonly older: OlderClientContext
}

export class ClientLink implements Candidate {
  readonly address: ClientAddress
  /** Ids of the active jobs that are at this client. */
  readonly activeJobs = new Set<number>()
  /** See `Candidate`; kept by who gives jobs away. */
  lastGiven = 0
  readonly sendings = new Sendings()
  /** Jobs that are being given to it, and are not committed; kept by who gives jobs away. */
  promised = 0
  readonly #context: LinkContext
  readonly #log: Log
  readonly #loop: Loop
  readonly #holdOff = new HoldOff()
  readonly #silence = new Silence()
  /** Its silence while another client was there: else it may be us who are cut off. */
  readonly #witnessedSilence = new Silence()
  readonly #isAnotherThere: () => boolean
  #state: LoadEvent | undefined
  /** As it told when it was reached last; an older one tells nothing. */
  #about: Partial<Pick<SnapshotEvent, 'instance' | 'isolation'>> = {}
  #again = new AbortController()
  #stream: symbol | undefined
  #older: OlderClient | undefined
  #failures = 0
  #lastTrouble: string | undefined
  #lastKind: string | undefined
  /** Gives up connections on which nothing has passed since the client was found away. */
  #breakStale: (() => void) | undefined
  #tried = Promise.withResolvers<void>()
  #reachable = Promise.withResolvers<void>()

  /** @param isAnotherThere whether a client other than this one is reachable. */
  constructor(address: ClientAddress, context: LinkContext, isAnotherThere: () => boolean) {
    this.address = address
    this.#isAnotherThere = isAnotherThere
    this.#context = context
    this.#log = context.log.child({ client: address.uploadUrl })
    this.#loop = new Loop('link', (signal) => this.#connect(signal), this.#log)
  }

  start(): void {
    this.#loop.start()
  }

  async stop(): Promise<void> {
    await this.#loop.stop()
    await this.#older?.stop()
  }

  /** It is connected, or, if it is an older one, answers. */
  get reachable(): boolean {
    return this.#state !== undefined
  }

  /** Milliseconds for which it has not answered; see `Silence`. */
  get silentForMs(): number {
    return this.#silence.forMs
  }

  /** The same, but only as long as another client was there all the time. */
  get lostForMs(): number {
    return this.#witnessedSilence.forMs
  }

  /** As which instance it is known; `null` for an older one, or before it was reached. */
  get instance(): string | null {
    return this.#about.instance ?? null
  }

  /** Names its event stream, from the snapshot on. */
  get stream(): symbol | undefined {
    return this.#stream
  }

  /** Asks for a new snapshot: something that it told could not be acted on, or may be missing. */
  resync(): void {
    this.#again.abort()
  }

  /** It may be sent a job. */
  get healthy(): boolean {
    return this.reachable && takesJobs(this) && this.heldOffForMs === 0
  }

  /** It takes no more jobs, by its operator's wish. */
  get draining(): boolean {
    return this.#state?.draining ?? false
  }

  /** Its disk has too little left, so it takes no more jobs. */
  get lowSpace(): boolean {
    return this.#state?.lowSpace ?? false
  }

  /** Its scripts are to be isolated and cannot be, so it takes no more jobs. */
  get noSandbox(): boolean {
    return this.#state?.noSandbox ?? false
  }

  /** By what it isolates scripts; `null` before it was reached, or where it does not say. */
  get isolation(): NonNullable<SnapshotEvent['isolation']> | null {
    return this.#about.isolation ?? null
  }

  /** What was sent to it has waited for long. */
  get slow(): boolean {
    return this.sendings.areSlow
  }

  get waiting(): number {
    return this.sendings.waiting + this.promised
  }

  /** The client, if it is one of version 2.2.3; not known before it was reached. */
  get older(): OlderClient | undefined {
    return this.#older
  }

  get slots(): number | null {
    return this.#state?.slots ?? null
  }

  /** Payloads of ours that it has, or of others if it says so. */
  get active(): number {
    return Math.max(this.activeJobs.size, this.#state?.active ?? 0) + this.promised
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
    this.#holdOff.begin()
  }

  /** It took a job. */
  took(): void {
    this.#holdOff.forget()
    this.#answered()
  }

  get heldOffForMs(): number {
    return this.#holdOff.forMs
  }

  /** One connection, of whatever kind. Returns when to try again. */
  async #connect(signal: AbortSignal): Promise<number> {
    try {
      const isOlder = await this.#listen(signal)
      if (!isOlder) throw new Fault('unreachable', 'the client closed the connection')
      await this.#poll(signal)
      return 0
    } catch (error) {
      const isWished = this.#again.signal.aborted
      this.#again = new AbortController()
      if (!signal.aborted && !isWished) this.#lose(error)
    }
    return Math.min(longestPauseMs, backOffMs(this.#failures++))
  }

  /**
   * One event stream, from the snapshot to its end.
   *
   * @returns whether there is none, so that it is an older client, or none at all.
   */
  async #listen(signal: AbortSignal): Promise<boolean> {
    const { store, gateway } = this.#context
    this.#stream = undefined
    const held = await store.active(this.address.uploadUrl)
    const accepted = held.filter(({ job }) => job.status !== 'Processing')
    const expected = new Set(accepted.map(({ attempt }) => attempt.key))
    const either = AbortSignal.any([signal, this.#again.signal])
    try {
      for await (const event of gateway.events(this.address, store.serverId, either)) {
        this.#handle(event, expected)
      }
      return false
    } catch (error) {
      if (error instanceof Fault && error.code === 'not_found') return true
      throw error
    }
  }

  async #poll(signal: AbortSignal): Promise<void> {
    const { older } = this.#context
    const client = this.#older ?? new OlderClient(this.address, this.activeJobs, older)
    await client.follow(signal, (percent) => {
      // What tells its load is one; what knows no /events may be anything.
      this.#older = client
      this.#about = {}
      this.#answered()
      const load = { load: percent, slots: null, active: this.activeJobs.size }
      if (this.reachable) this.#update(load)
      else this.#connected(load, ' (version 2.2.3: it is polled)')
    })
  }

  #handle(event: ClientEvent, expected: ReadonlySet<string>): void {
    const { listener } = this.#context
    if (!checks[event.name].Check(event.data)) {
      throw new Fault('unreachable', `the client sent a malformed "${event.name}" event`)
    }
    switch (event.name) {
      case 'snapshot':
        this.#answered()
        if (event.data.protocol !== protocolVersion) {
          throw new Fault(
            'unsupported',
            `it speaks version ${event.data.protocol} of the protocol, this server ` +
              `${protocolVersion}: upgrade the older one`,
          )
        }
        void this.#older?.stop()
        this.#older = undefined
        const { instance, isolation } = event.data
        this.#about = { instance, ...(isolation && { isolation }) }
        this.#stream = Symbol('stream')
        this.#connected(event.data.load)
        return listener.onSnapshot(this.address, event.data, expected)
      case 'payload':
        return listener.onPayload(this.address, event.data)
      case 'lost':
        return listener.onLost(this.address, event.data)
      case 'load':
        return this.#update(event.data)
    }
  }

  #connected(load: LoadEvent, kind = ''): void {
    const wasReachable = this.reachable
    this.#failures = 0
    this.#holdOff.forget()
    this.#holdOff.end()
    this.#breakStale?.()
    this.#breakStale = undefined
    this.#lastTrouble = undefined
    this.#lastKind = undefined
    this.#update(load)
    if (!wasReachable) this.#log.info(`client ${this.address.uploadUrl} is reachable${kind}`)
    this.#reachable.resolve()
    this.#tried.resolve()
  }

  #update(load: LoadEvent): void {
    const before = this.#state
    this.#state = load
    const freed = load.slots !== null && load.active < (before?.active ?? Infinity)
    if (freed) this.#holdOff.end()
    const isFreer = tellNews(this.address.uploadUrl, before ?? {}, load, this.#log)
    if (!before || freed || isFreer) this.#context.listener.onFree()
  }

  /**
   * Says so once: a connection that broke and one that is refused since then are the same news. Only
   * trouble of another kind is told too.
   */
  #lose(error: unknown): void {
    if (this.reachable) this.#reachable = Promise.withResolvers()
    // What hung on them would hang for as long again once it is back: TCP tries ever more seldom.
    this.#breakStale = this.#context.gateway.markConnections(this.address)
    this.#state = undefined
    this.#stream = undefined
    this.#lastTrouble = messageOf(error)
    const kind = error instanceof Fault ? error.code : 'unforeseen'
    if (kind !== this.#lastKind) {
      const unforeseen = error instanceof Fault ? {} : { err: error }
      const { uploadUrl } = this.address
      this.#log.warn(unforeseen, `client ${uploadUrl} is not reachable: ${this.#lastTrouble}`)
    }
    this.#lastKind = kind
    this.#tried.resolve()
    this.#silence.failed(performance.now())
    if (this.#isAnotherThere()) this.#witnessedSilence.failed(performance.now())
    else this.#witnessedSilence.end()
    this.#context.listener.onSilent()
  }

  #answered(): void {
    this.#silence.end()
    this.#witnessedSilence.end()
  }
}
