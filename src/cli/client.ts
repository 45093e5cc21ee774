/** Assembles the client. What is started first is stopped last. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { crashPoint } from '../crash-points.ts'
import { Cleaner } from '../client/cleaner.ts'
import { commonEnvironment } from '../client/environment.ts'
import { Contacts } from '../client/contacts.ts'
import { Drain } from '../client/drain.ts'
import { EventHub } from '../client/events.ts'
import { instanceIn } from '../client/instance.ts'
import { LoadMeter } from '../client/load.ts'
import { recover } from '../client/recover.ts'
import type { ClientRoom } from '../client/room.ts'
import { SandboxWatch } from '../client/sandbox-watch.ts'
import { Runner } from '../client/runner.ts'
import { SmallResults } from '../client/small-results.ts'
import type { ClientConfig } from '../config/config.ts'
import { UploadSlots } from '../domain/upload-slots.ts'
import { bashExecutor } from '../executors/bash.ts'
import { whyNot } from '../executors/isolation/trial.ts'
import { Bounds, describeEnforcement } from '../executors/bounds/bounds.ts'
import { readBootId } from '../executors/processes.ts'
import { FreeSpace } from '../files/free-space.ts'
import { PayloadFiles } from '../files/payload-files.ts'
import { createClientApp } from '../http/client/app.ts'
import type { Log } from '../log.ts'
import { Verifier } from '../trust/verifier.ts'
import { openClientMemory } from '../store/sqlite/client-memory.ts'
import { takeLock } from '../store/sqlite/lock.ts'
import { openPayloadStore } from '../store/sqlite/payloads.ts'
import { endProgram } from './end-program.ts'
import { refuseExposure } from './exposure.ts'
import type { Exposure } from './exposure.ts'
import { chooseIsolation, logIsolation } from './isolation.ts'
import { closeApp, listen } from './listen.ts'
import type { Running } from './running.ts'
import { starting } from './start-error.ts'
import { followTrust } from './trust.ts'
import { version } from './version.ts'

/** What is being packed when the program stops may take so long, requests under way included. */
const stopMs = 10_000

/**
 * Starts a client.
 *
 * @param environment the daemon's own, of which scripts get what PASS_ENV names.
 * @throws StartError when something is in its way that the operator can mend.
 */
export async function startClient(
  config: ClientConfig,
  environment: Readonly<Record<string, string | undefined>>,
  log: Log,
): Promise<Running> {
  await using starts = new AsyncDisposableStack()
  const exposure = exposureOf(config)
  await refuseExposure(exposure)
  const { dataPath, slots, killGraceMs, maxAgeMs, headersTimeoutMs, bodyTimeoutMs } = config
  const files = starts.use(
    new PayloadFiles(dataPath, (path) => log.warn(`${path} cannot be removed`)),
  )
  await starting(`cannot use the data directory ${resolve(dataPath)}`, () => files.prepare())
  const memory = await starting('cannot open the store', () => {
    starts.use(takeLock(files.lockFile, 'give each client its own --data-path'))
    return starts.use(openClientMemory(files.memoryFile, endProgram))
  })
  crashPoint('open: memory made')
  const { isolation, told } = await chooseIsolation(config, files)
  const store = starts.use(openPayloadStore())
  const meter = starts.use(new LoadMeter())
  const receiving: ClientRoom['receiving'] = new Map()
  const drain = new Drain(store, log, () => events.tellLoad())
  const bootId = readBootId()
  const instance = instanceIn(memory.instance, bootId)
  const events = new EventHub({ instance, isolation: isolation.by }, store, () => ({
    load: meter.percent,
    slots,
    active: store.count().active + receiving.size,
    draining: drain.draining,
    lowSpace: space.shortage !== undefined,
    noSandbox: sandbox.trouble !== undefined,
  }))
  const onSpace = (shortage: string | undefined) => {
    if (shortage === undefined) log.info('there is room on the disk: payloads are taken again')
    else log.warn(`${shortage}: no new payloads`)
    events.tellLoad()
  }
  const place = { name: 'DATA_PATH', directory: resolve(dataPath) }
  const space = starts.use(new FreeSpace([place], config.minFreeSpaceBytes, onSpace))
  space.look()
  const trySandbox = async () => whyNot(isolation, files.sandboxDirectory)
  const sandbox = starts.use(new SandboxWatch(trySandbox, () => events.tellLoad(), log))
  const bounds = new Bounds(resolve(dataPath), config.cgroups === 'auto')
  await starting(`cannot write to ${resolve(dataPath)}`, () => bounds.noteTrees())
  const context = {
    store,
    memory,
    files,
    smallResults: new SmallResults(files, log),
    events,
    drain,
    contacts: new Contacts(),
    space,
    sandbox,
    log,
    bootId,
    instance,
    slots,
    executor: starts.use(bashExecutor(killGraceMs, isolation, bounds, log)),
    limits: config.limits,
    packLimits: { mostBytes: config.maxResultSizeBytes, mostEntries: config.maxResultFiles },
    enforcement: bounds.enforcement,
    maxPayloadBytes: config.maxUploadSizeBytes,
    maxUploadFiles: config.maxUploadFiles,
    uploads: new UploadSlots(config.maxUploads),
    environment: commonEnvironment(config.passEnv, environment),
  }
  const runner = new Runner(context)
  const room: ClientRoom = { ...context, runner, receiving, bounds }
  await starting(`cannot take back what is in ${resolve(dataPath)}`, () => recover(room))
  const hurry = new AbortController()
  starts.defer(() => runner.stop(hurry.signal))
  runner.start()
  const cleaner = new Cleaner({ ...context, maxAgeMs })
  starts.defer(() => cleaner.stop())
  cleaner.start()
  const trust = followTrust(config, log, starts)
  const verifier = trust.secrets && new Verifier(trust.secrets, log)
  const steps = { ...room, meter, isolation: told, version, headersTimeoutMs, bodyTimeoutMs }
  const app = await createClientApp(steps, trust.tls, verifier)
  starts.defer(() => closeApp(app))
  // First of all: while requests finish, no script is started.
  starts.defer(async () => {
    AbortSignal.timeout(stopMs).addEventListener('abort', () => hurry.abort())
    await runner.rest()
  })
  const address = await listen(app, exposure, log)
  for (const warning of config.warnings) log.warn(warning)
  log.info({ version, address }, `job-orchestrator ${version}: client listening on ${address}`)
  log.info(
    { instance },
    `payloads in ${resolve(dataPath, 'payloads')}, ${slots ?? 'any number'} at once`,
  )
  logIsolation(told, log)
  log.info({ enforcement: bounds.enforcement }, describeEnforcement(bounds.enforcement))
  if (!existsSync('/proc/self/stat')) {
    log.warn('/proc is not mounted: a script that runs when the client stops is not found again')
  }
  const running = starts.move()
  return { address, stop: () => running.disposeAsync(), drain: () => drain.begin() }
}

/** Here alone a client says whether who calls it has to prove who it is. */
function exposureOf({ host, port, isInsecure, clusterSecret, tls }: ClientConfig): Exposure {
  return {
    host,
    port,
    isInsecure,
    hasCredentials: clusterSecret !== null || (tls.identity !== null && tls.ca !== null),
    advice: 'Give it and its servers a secret (CLUSTER_SECRET_FILE)',
  }
}
