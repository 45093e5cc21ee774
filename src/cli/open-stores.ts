/** What a server remembers: opened, owned by this process alone, and closed to strangers. */
import { resolve } from 'node:path'
import type { ServerConfig } from '../config/config.ts'
import { crashPoint } from '../crash-points.ts'
import { tokenState } from '../domain/token.ts'
import type { JobFiles } from '../files/job-files.ts'
import type { Log } from '../log.ts'
import type { JobStore } from '../store/jobs.ts'
import { openJobStore } from '../store/sqlite/jobs.ts'
import { openTokenStore } from '../store/sqlite/tokens.ts'
import type { TokenStore } from '../store/tokens.ts'
import { endProgram } from './end-program.ts'
import { refuseExposure } from './exposure.ts'
import type { Exposure } from './exposure.ts'
import { takeStore } from './own-store.ts'
import { starting } from './start-error.ts'

type Stores = {
  readonly store: JobStore
  readonly tokens: TokenStore
  /** Who can reach the server, and what it takes. */
  readonly exposure: Exposure
}

/**
 * Opens the stores of a server.
 *
 * @param starts gets what has to be closed.
 * @throws StartError when something is in the way that the operator can mend.
 */
export async function openStores(
  config: ServerConfig,
  files: JobFiles,
  log: Log,
  starts: AsyncDisposableStack,
): Promise<Stores> {
  const { dbPath, maxAttempts } = config
  await takeStore(config, files, starts)
  const { store, tokens } = await starting('cannot open the store', () => ({
    store: starts.use(openJobStore(dbPath, { maxAttempts }, endProgram)),
    tokens: starts.use(openTokenStore(dbPath, endProgram)),
  }))
  crashPoint('open: database made')
  const exposure = exposureOf(config, tokens)
  await refuseExposure(exposure)
  return starting('cannot open the store', async () => {
    await files.belongTo(store.serverId, await store.needsFiles())
    crashPoint('open: owner noted')
    await removeLeftovers(store, files, log)
    return { store, tokens, exposure }
  })
}

function exposureOf(
  { host, port, isInsecure, dbPath }: ServerConfig,
  tokens: TokenStore,
): Exposure {
  const nowMs = Date.now()
  return {
    host,
    port,
    isInsecure,
    hasCredentials: tokens.list().some((token) => tokenState(token, nowMs) === 'valid'),
    advice:
      'Make a token first, as the same user: job-orchestrator token create --db-path ' +
      `${resolve(dbPath)} --name NAME --scope submit,read,terminate`,
  }
}

/** What earlier processes left of uploads and of jobs that are gone. */
async function removeLeftovers(store: JobStore, files: JobFiles, log: Log): Promise<void> {
  const { uploads, jobs } = await files.removeLeftovers((ids) => store.withoutFiles(ids))
  if (uploads.removed > 0) log.info(`removed ${uploads.removed} unfinished uploads`)
  if (jobs.removed > 0) log.info(`removed ${jobs.removed} directories that no job needs`)
  for (const { directory, why } of [...uploads.stuck, ...jobs.stuck]) {
    log.warn({ directory }, `${directory} is of no use and cannot be removed: ${why}`)
  }
}
