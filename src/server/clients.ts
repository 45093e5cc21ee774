/** The clients of each service: their event streams, load, slots and health. */
import { chooseClient } from '../domain/choose-client.ts'
import { isActive } from '../domain/job.ts'
import type { ClientAddress } from '../domain/job.ts'
import type { Log } from '../log.ts'
import type { JobChange, JobStore } from '../store/jobs.ts'
import { ClientLink } from './client-link.ts'
import type { ClientListener } from './client-listener.ts'
import type { ClientGateway } from './gateway.ts'

export class Clients {
  readonly #links = new Map<string, ClientLink>()
  readonly #ofService: ReadonlyMap<string, readonly ClientLink[]>
  readonly #makeLink: (address: ClientAddress) => ClientLink

  constructor(
    services: ReadonlyMap<string, readonly ClientAddress[]>,
    gateway: ClientGateway,
    store: JobStore,
    listener: ClientListener,
    log: Log,
  ) {
    this.#makeLink = (address) => new ClientLink(address, gateway, store, listener, log)
    this.#ofService = new Map(
      [...services].map(([name, addresses]) => [name, addresses.map((at) => this.link(at))]),
    )
    store.onChange((change) => this.#count(change))
  }

  /** The link to a client, made if there is none: a job may be at one that is not configured. */
  link(address: ClientAddress): ClientLink {
    const known = this.#links.get(address.uploadUrl)
    if (known) return known
    const link = this.#makeLink(address)
    this.#links.set(address.uploadUrl, link)
    return link
  }

  /** The client that an active job is at. */
  holding(id: number): ClientLink | undefined {
    return this.#links.values().find((link) => link.activeJobs.has(id))
  }

  /** The client that the next job of a service is to go to, if one can take it now. */
  choose(service: string): ClientLink | undefined {
    return chooseClient(this.ofService(service))
  }

  ofService(service: string): readonly ClientLink[] {
    return this.#ofService.get(service) ?? []
  }

  all(): Iterable<ClientLink> {
    return this.#links.values()
  }

  /** Milliseconds until a client that is held off may be tried again; `undefined` without one. */
  heldOffForMs(): number | undefined {
    const times = [...this.#links.values()].map((link) => link.heldOffForMs).filter((ms) => ms > 0)
    return times.length === 0 ? undefined : Math.min(...times)
  }

  start(): void {
    for (const link of this.#links.values()) link.start()
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#links.values()].map((link) => link.stop()))
  }

  /** Keeps each client's count of active jobs, from their statuses. */
  #count({ job, client }: JobChange): void {
    if (client === null) return
    const link = this.#links.get(client)
    if (isActive(job.status)) link?.activeJobs.add(job.id)
    else link?.activeJobs.delete(job.id)
  }
}
