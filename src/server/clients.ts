/** The clients of each service: their event streams, load, slots and health. */
import { chooseClient, mostWaiting } from '../domain/choose-client.ts'
import { isActive } from '../domain/job.ts'
import type { ClientAddress } from '../domain/job.ts'
import type { ActiveJob, JobChange } from '../store/jobs.ts'
import { ClientLink } from './client-link.ts'
import type { LinkContext } from './client-link.ts'

export class Clients {
  readonly #links = new Map<string, ClientLink>()
  readonly #ofService: ReadonlyMap<string, readonly ClientLink[]>
  readonly #configured: ReadonlySet<ClientLink>
  readonly #context: LinkContext
  readonly #stopping = new Set<Promise<void>>()
  #given = 0
  #isStarted = false

  constructor(services: ReadonlyMap<string, readonly ClientAddress[]>, context: LinkContext) {
    this.#context = context
    this.#ofService = new Map(
      [...services].map(([name, addresses]) => [name, addresses.map((at) => this.link(at))]),
    )
    this.#configured = new Set(this.#links.values())
    context.store.onChange((change) => this.#count(change))
  }

  /**
   * Takes up the jobs that earlier processes gave away. Some may be at clients that are not
   * configured any more: those are called until their jobs have ended.
   */
  takeUp(active: readonly ActiveJob[]): void {
    for (const { job, attempt } of active) this.link(attempt.client).activeJobs.add(job.id)
  }

  /** The link to a client, made if there is none. */
  link(address: ClientAddress): ClientLink {
    const known = this.#links.get(address.uploadUrl)
    if (known) return known
    const link: ClientLink = new ClientLink(address, this.#context, () =>
      this.#links.values().some((other) => other !== link && other.reachable),
    )
    this.#links.set(address.uploadUrl, link)
    if (this.#isStarted) link.start()
    return link
  }

  /** Clients that are not configured (any more), and have jobs still. */
  unconfigured(): readonly ClientLink[] {
    return [...this.#links.values()].filter((link) => !this.#configured.has(link))
  }

  /** The client that an active job is at. */
  holding(id: number): ClientLink | undefined {
    return this.#links.values().find((link) => link.activeJobs.has(id))
  }

  /**
   * The client that a job of a service is to go to, if one can take it now.
   *
   * @param maxRuns jobs of the service that may be active.
   * @param isFlat whether the job has no directories; older clients know none.
   */
  choose(service: string, maxRuns: number, isFlat: boolean): ClientLink | undefined {
    const links = this.ofService(service)
    const candidates = links.filter((link) => isFlat || !link.older)
    return chooseClient(candidates, mostWaiting(maxRuns, links.length))
  }

  /** Notes that a job goes to a client. */
  give(link: ClientLink): void {
    link.lastGiven = ++this.#given
  }

  /** Whether all clients of a service are known to be older ones. */
  areAllOlder(service: string): boolean {
    const links = this.ofService(service)
    return links.length > 0 && links.every((link) => link.older)
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
    this.#isStarted = true
    for (const link of this.#links.values()) link.start()
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#links.values()].map((link) => link.stop()))
    await Promise.all(this.#stopping)
  }

  /** Keeps each client's count of active jobs, from their statuses. */
  #count({ job, client }: JobChange): void {
    if (client === null) return
    const link = this.#links.get(client)
    if (!link) return
    if (isActive(job.status)) {
      link.activeJobs.add(job.id)
      return
    }
    link.activeJobs.delete(job.id)
    if (link.activeJobs.size === 0 && !this.#configured.has(link)) this.#drop(link)
  }

  /** Nothing is wanted any more of a client that is not configured and has no job. */
  #drop(link: ClientLink): void {
    this.#links.delete(link.address.uploadUrl)
    const stopping = link.stop().finally(() => this.#stopping.delete(stopping))
    this.#stopping.add(stopping)
  }
}
