/** Assembles the server. What is started first is stopped last. */
import { dirname, resolve } from 'node:path'
import { crashPoint } from '../crash-points.ts'
import type { ServerConfig } from '../config/config.ts'
import { isActive } from '../domain/job.ts'
import { UploadSlots } from '../domain/upload-slots.ts'
import { FreeSpace } from '../files/free-space.ts'
import { JobFiles } from '../files/job-files.ts'
import { Reserve } from '../files/reserve.ts'
import { openCalls } from '../http/calls.ts'
import { httpGateway } from '../http/gateway.ts'
import { olderGateway } from '../http/older-gateway.ts'
import { createServerApp } from '../http/server/app.ts'
import type { Log } from '../log.ts'
import { Cleaner } from '../server/cleaner.ts'
import type { ClientListener } from '../server/client-listener.ts'
import { Clients } from '../server/clients.ts'
import { Forgetter } from '../server/forgetter.ts'
import { Getter } from '../server/getter.ts'
import { Reconciler } from '../server/reconcile.ts'
import { Relocator } from '../server/relocate.ts'
import { Sender } from '../server/sender.ts'
import { Terminator } from '../server/terminate.ts'
import { UploadsUnderWay } from '../server/uploads-under-way.ts'
import { JobWatch } from '../server/watch.ts'
import type { JobChange, ServiceBacklog } from '../store/jobs.ts'
import { Signer } from '../trust/signer.ts'
import { closeApp, listen } from './listen.ts'
import { openStores } from './open-stores.ts'
import type { Running } from './running.ts'
import { followTrust } from './trust.ts'
import { version } from './version.ts'

/** How long the start waits for the clients' answers before it tells who is there. */
const greetMs = 2_000

/**
 * Starts a server.
 *
 * @throws StartError when something is in its way that the operator can mend.
 */
export async function startServer(config: ServerConfig, log: Log): Promise<Running> {
  await using starts = new AsyncDisposableStack()
  const files = new JobFiles(config.dataPath)
  const { store, tokens, exposure } = await openStores(config, files, log, starts)
  const { maxAgeMs } = config
  const lastSeenMs = await store.lastChangeAtMs()
  const reserve = new Reserve(`${resolve(config.dbPath)}.reserve`)
  const cleaner = new Cleaner({ store, files, reserve, log, maxAgeMs, lastSeenMs })
  const trust = followTrust(config, log, starts)
  const signer = trust.secrets && new Signer(trust.secrets)
  const calls = starts.use(openCalls(trust.tls, signer))
  const gateway = httpGateway(calls)
  const olderOnes = olderGateway(calls.call)
  const watch = new JobWatch(store)
  const quotas = new Map(config.services.map(({ name, quota }) => [name, quota]))
  const services = new Set(quotas.keys())

  const listener: ClientListener = {
    onSnapshot: (...args) => reconciler.onSnapshot(...args),
    onPayload: (...args) => reconciler.onPayload(...args),
    onLost: (...args) => reconciler.onLost(...args),
    onSilent: () => relocator.wake(),
    onFree: () => {
      sender.wake()
      relocator.wake()
    },
  }
  const { killGraceMs, clientLostAfterMs } = config
  const maxRuntimes = readMaxRuntimes(config)
  const limits = new Map(config.services.map(({ name, limits: most }) => [name, most]))
  const older = { store, files, gateway: olderOnes, maxRuntimes, killGraceMs, log }
  const addresses = new Map(config.services.map(({ name, clients: at }) => [name, at]))
  const clients = new Clients(addresses, { gateway, store, listener, log, older })
  const forgetter = new Forgetter({ gateway, log })
  const getter = new Getter({ store, files, gateway, forgetter, log })
  const sender = new Sender({
    store,
    files,
    clients,
    gateway,
    log,
    quotas,
    maxRuntimes,
    limits,
    clientLostAfterMs,
  })
  const terminator = new Terminator({ store, gateway, clients, sender, watch, log, killGraceMs })
  const reconciler = new Reconciler({
    store,
    gateway,
    getter,
    terminator,
    log,
    resync: (at) => clients.link(at).resync(),
  })
  const relocator = new Relocator({ store, clients, sender, log, clientLostAfterMs })
  starts.defer(() => reconciler.stop())
  starts.defer(() => terminator.stop())

  const space = starts.use(watchSpace(config, log))
  space.look()
  const app = await createServerApp({
    store,
    tokens,
    files,
    space,
    gateway,
    olderGateway: olderOnes,
    clients,
    terminator,
    watch,
    services,
    limits,
    underWay: new UploadsUnderWay(),
    uploads: new UploadSlots(config.maxUploads, config.maxUploadsPerUser),
    maxUploadFiles: config.maxUploadFiles,
    mostQueued: readMostQueued(config),
    bodyTimeoutMs: config.bodyTimeoutMs,
    version,
    tls: trust.tls,
    log,
    maxUploadSizeBytes: config.maxUploadSizeBytes,
    headersTimeoutMs: config.headersTimeoutMs,
  })
  store.onNew((service) => sender.offer(service))
  store.onChange((change) => {
    tellLog(log, change)
    if (mayFreeTurn(change)) sender.wake()
  })

  // What earlier processes left under way goes on.
  const active = await store.active()
  clients.takeUp(active)
  starts.defer(() => clients.stop())
  clients.start()
  starts.defer(() => forgetter.stop())
  starts.defer(() => getter.stop())
  getter.start()
  starts.defer(() => sender.stop())
  for (const one of active) {
    if (one.job.status !== 'Processing') continue
    crashPoint('recover: sending resumed')
    sender.resume(one)
  }
  starts.defer(() => relocator.stop())
  relocator.start()
  starts.defer(() => cleaner.stop())
  starts.defer(() => closeApp(app))
  starts.defer(() => watch.release())
  // First of all: while requests finish, no job is begun.
  starts.defer(() => sender.rest())
  const address = await listen(app, exposure, log)
  sender.start()
  cleaner.start()
  await greet(config, address, clients, log)
  warnOfRemovedServices(await store.backlog(), services, log)
  const running = starts.move()
  return { address, stop: () => running.disposeAsync() }
}

/** Says once when a disk has too little left for uploads, and once when it has enough again. */
function watchSpace({ dataPath, dbPath, minFreeSpaceBytes }: ServerConfig, log: Log): FreeSpace {
  const places = [
    { name: 'DATA_PATH', directory: resolve(dataPath) },
    { name: 'DB_PATH', directory: dirname(resolve(dbPath)) },
  ]
  return new FreeSpace(places, minFreeSpaceBytes, (shortage) => {
    if (shortage === undefined) log.info('there is room on the disk: uploads are taken again')
    else log.warn(`${shortage}: uploads are refused`)
  })
}

function readMaxRuntimes({ services }: ServerConfig): ReadonlyMap<string, number> {
  return new Map(
    services.flatMap(({ name, maxRuntimeMs: ms }) => (ms === null ? [] : [[name, ms] as const])),
  )
}

function readMostQueued({ services }: ServerConfig): ReadonlyMap<string, number> {
  return new Map(
    services.flatMap(({ name, maxQueuedPerUser: most }) =>
      most === null ? [] : [[name, most] as const],
    ),
  )
}

/** One screen: where it is, what it serves, and who is there. */
async function greet(
  config: ServerConfig,
  address: string,
  clients: Clients,
  log: Log,
): Promise<void> {
  for (const warning of config.warnings) log.warn(warning)
  log.info({ version, address }, `job-orchestrator ${version}: server listening on ${address}`)
  log.info(`database ${resolve(config.dbPath)}, files in ${resolve(config.dataPath, 'jobs')}`)
  log.info(`API: ${address}/swagger-ui/`)
  const { promise: late, resolve: isLate } = Promise.withResolvers<void>()
  const timer = setTimeout(isLate, greetMs)
  await Promise.race([Promise.all([...clients.all()].map(({ tried }) => tried)), late])
  clearTimeout(timer)
  for (const { name, quota } of config.services) {
    const there = clients.ofService(name).map((link) => {
      const { uploadUrl } = link.address
      return link.reachable
        ? `${uploadUrl} (reachable, load ${link.load} %)`
        : `${uploadUrl} (not reachable: ${link.trouble ?? 'no answer yet'})`
    })
    log.info(
      { service: name, ...quota },
      `service ${name}: ${quota.runsPerUser} jobs at once per user, ${quota.maxRuns} in all, at ` +
        there.join(', '),
    )
  }
}

/** Their jobs are kept, and nobody sends them. */
function warnOfRemovedServices(
  backlog: ReadonlyMap<string, ServiceBacklog>,
  services: ReadonlySet<string>,
  log: Log,
): void {
  for (const [name, { queued, active }] of backlog) {
    if (services.has(name) || queued + active === 0) continue
    log.warn(
      { service: name, queued, active },
      `service ${name} is not configured any more, and has jobs: ${queued} queued, which wait ` +
        `until it is again, and ${active} at clients, which go on`,
    )
  }
}

/** The one log line of a job's change. */
function tellLog(log: Log, { job, from, client, reason }: JobChange): void {
  const { id, status, attempt } = job
  const walk = from === null || from === status ? status : `${from} -> ${status}`
  const where = client === null ? '' : ` (attempt ${attempt} at ${client})`
  log.info(
    { job: id, user: job.userId, service: job.service, from, to: status, attempt, client, reason },
    `job ${id}: ${walk}${where}: ${reason}`,
  )
}

/** Whether somebody may be able to start now who could not before. */
function mayFreeTurn({ job, from }: JobChange): boolean {
  return job.status === 'Queued' || (from !== null && isActive(from) && !isActive(job.status))
}
