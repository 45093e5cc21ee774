/** How the server is: `GET /health`. */
import type { ServerHealth } from '../domain/protocol.ts'
import type { Log } from '../log.ts'
import type { JobStore, ServiceBacklog } from '../store/jobs.ts'
import type { Clients } from './clients.ts'

export type HealthContext = {
  readonly store: JobStore
  readonly clients: Clients
  readonly services: ReadonlySet<string>
  readonly log: Log
}

/** `database` is `unavailable` when the store does not answer. */
export async function describeHealth(context: HealthContext): Promise<ServerHealth> {
  const { store, services, log } = context
  try {
    await store.check()
    const backlog = await store.backlog()
    const names = new Set([...services, ...backlog.keys()])
    const described = [...names].map((name) => describeService(context, name, backlog.get(name)))
    return { status: 'ok', database: 'ok', services: described }
  } catch (error) {
    log.error({ err: error }, 'the database does not answer')
    return { status: 'unavailable', database: 'unavailable', services: [] }
  }
}

function describeService(
  { clients }: HealthContext,
  name: string,
  backlog: ServiceBacklog | undefined,
): ServerHealth['services'][number] {
  const oldest = backlog?.oldestQueuedAtMs ?? null
  return {
    name,
    queued: backlog?.queued ?? 0,
    active: backlog?.active ?? 0,
    oldestQueuedSeconds: oldest === null ? null : Math.max(0, Date.now() - oldest) / 1000,
    clients: clients.ofService(name).map((link) => ({
      url: link.address.uploadUrl,
      reachable: link.reachable,
      load: link.reachable ? link.load : null,
      slots: link.slots,
      active: link.active,
    })),
  }
}
