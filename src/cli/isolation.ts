/** How scripts are kept apart: what was asked for, as far as it can be had here. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { ClientConfig } from '../config/config.ts'
import { realPath } from '../config/real-path.ts'
import type { ClientHealth } from '../domain/protocol.ts'
import { noIsolation } from '../executors/isolation/isolation.ts'
import type { Isolation } from '../executors/isolation/isolation.ts'
import { ownUser } from '../executors/isolation/record.ts'
import { hasPayloadUsers } from '../executors/isolation/run-as.ts'
import { writeSandboxFiles } from '../executors/isolation/sandbox-files.ts'
import { whyNot } from '../executors/isolation/trial.ts'
import type { PayloadFiles } from '../files/payload-files.ts'
import type { Log } from '../log.ts'
import { isReachedByOthers } from './exposure.ts'
import { StartError } from './start-error.ts'

const run = promisify(execFile)

/** What is in force, and what is said of it. */
export type ChosenIsolation = {
  readonly isolation: Isolation
  readonly told: ClientHealth['isolation']
}

const isRoot = process.getuid?.() === 0

/**
 * Tries what was asked for. Nothing is left of what it tries.
 *
 * @throws StartError where it was asked for and cannot be had; where nothing was said, too, if others
 *   than this machine can reach the client.
 */
export async function chooseIsolation(
  config: ClientConfig,
  files: PayloadFiles,
): Promise<ChosenIsolation> {
  if (config.isolation === 'none') return useNone(config, files, null)
  const { allowNetwork, runAs } = config
  const filesDirectory = files.sandboxDirectory
  const isolation: Isolation = {
    by: 'bwrap',
    allowNetwork,
    runAs: runAs ?? (isRoot && hasPayloadUsers() ? 'one per payload' : null),
    filesDirectory,
    canDisableUserNamespaces: await isKnown('--disable-userns'),
  }
  const hidden = hiddenPaths(config)
  await writeSandboxFiles({ ...config, filesDirectory, hidden })
  const trouble = await whyNot(isolation, filesDirectory)
  if (trouble === undefined) return { isolation, told: tell(isolation, null) }
  const cannot = `scripts cannot be isolated: ${trouble}`
  if (config.isolation === 'bwrap') throw new StartError(cannot)
  if (await isReachedByOthers(config)) {
    throw new StartError(
      `${cannot}. Where others than this machine reach the client, say so: ISOLATION=none`,
    )
  }
  return useNone(config, files, trouble)
}

/** @param trouble why there is none; `null`: it was asked for. */
async function useNone(
  { runAs }: ClientConfig,
  files: PayloadFiles,
  trouble: string | null,
): Promise<ChosenIsolation> {
  const isolation: Isolation = { ...noIsolation, runAs }
  const inTheWay = await whyNot(isolation, files.sandboxDirectory)
  if (inTheWay !== undefined) {
    throw new StartError(`scripts cannot run as ${runAs?.name ?? ''} (RUN_AS): ${inTheWay}`)
  }
  return { isolation, told: tell(isolation, trouble) }
}

/** Says in one line what is in force, and warns where it is less than could be. */
export function logIsolation(told: ChosenIsolation['told'], log: Log): void {
  const isIsolated = told.by !== 'none'
  const what = `scripts are ${isIsolated ? 'isolated by bubblewrap' : 'not isolated'}: ${say(told)}`
  if (told.trouble === null) log.info({ isolation: told }, what)
  else log.warn({ isolation: told }, `${what}; ${told.trouble}`)
}

function tell(
  { by, allowNetwork, runAs }: Isolation,
  trouble: string | null,
): ClientHealth['isolation'] {
  const user = typeof runAs === 'string' ? runAs : (runAs?.name ?? ownUser)
  return { by, network: [...allowNetwork], user, trouble }
}

function say({ by, network, user }: ClientHealth['isolation']): string {
  const whose =
    user === 'one per payload' ? 'each as a user of its own' : `all as the user ${whom(user)}`
  if (by === 'none') return `they see what that user sees, each other included, ${whose}`
  const which = network.includes('*') ? 'with the network' : `network for ${network.join(', ')}`
  return `${network.length === 0 ? 'without the network' : which}, ${whose}`
}

function whom(user: string): string {
  if (user !== ownUser) return user
  if (!isRoot) return 'of the client'
  return hasPayloadUsers() ? 'root, as the client' : 'root, as the client, which has no others here'
}

/** Not in older versions of bubblewrap. */
async function isKnown(option: string): Promise<boolean> {
  const help = await run('bwrap', ['--help']).catch(() => undefined)
  return help?.stdout.includes(option) ?? false
}

/** Wherever the operator has put them. */
function hiddenPaths({ dataPath, clusterSecret, tlsFiles }: ClientConfig): readonly string[] {
  const named = [dataPath, clusterSecret?.file ?? null, tlsFiles.key].filter(
    (path) => path !== null,
  )
  return named.map(realPath)
}
