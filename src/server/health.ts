/** How the server is: `GET /health`. */
import type { ServerHealth } from '../domain/protocol.ts'
import type { FreeSpace } from '../files/free-space.ts'
import type { Log } from '../log.ts'
import type { JobStore, ServiceBacklog } from '../store/jobs.ts'
import type { ClientLink } from './client-link.ts'
import type { Clients } from './clients.ts'

export type HealthContext = {
  readonly store: JobStore
  readonly clients: Clients
  readonly space: Pick<FreeSpace, 'look'>
  readonly services: ReadonlySet<string>
  readonly log: Log
}

/** `database` is `unavailable` when the store does not answer. */
export async function describeHealth(context: HealthContext): Promise<ServerHealth> {
  const { store, services, space, log } = context
  const lowSpace = space.look() !== undefined
  try {
    await store.check()
    const backlog = await store.backlog()
    const names = new Set([...services, ...backlog.keys()])
    const described = [...names].map((name) => describeService(context, name, backlog.get(name)))
    const unconfiguredClients = context.clients.unconfigured().map(describeClient)
    return { status: 'ok', database: 'ok', lowSpace, services: described, unconfiguredClients }
  } catch (error) {
    log.error({ err: error }, 'the database does not answer')
    const none = { services: [], unconfiguredClients: [] }
    return { status: 'unavailable', database: 'unavailable', lowSpace, ...none }
  }
}

function describeService(
  { clients, services }: HealthContext,
  name: string,
  backlog: ServiceBacklog | undefined,
): ServerHealth['services'][number] {
  const oldest = backlog?.oldestQueuedAtMs ?? null
  return {
    name,
    configured: services.has(name),
    queued: backlog?.queued ?? 0,
    active: backlog?.active ?? 0,
    oldestQueuedSeconds: oldest === null ? null : Math.max(0, Date.now() - oldest) / 1000,
    clients: clients.ofService(name).map(describeClient),
  }
}

function describeClient(link: ClientLink): ServerHealth['unconfiguredClients'][number] {
  return {
    url: link.address.uploadUrl,
    reachable: link.reachable,
    trouble: link.trouble ?? null,
    older: link.older ? true : link.reachable ? false : null,
    draining: link.draining,
    lowSpace: link.lowSpace,
    noSandbox: link.noSandbox,
    isolation: link.isolation,
    load: link.reachable ? link.load : null,
    slots: link.slots,
    active: link.active,
  }
}
