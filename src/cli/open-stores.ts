/** What a server remembers: opened, and owned by this process alone. */
import type { ServerConfig } from '../config/config.ts'
import { crashPoint } from '../crash-points.ts'
import type { JobFiles } from '../files/job-files.ts'
import type { Log } from '../log.ts'
import type { JobStore } from '../store/jobs.ts'
import { openJobStore } from '../store/sqlite/jobs.ts'
import { openTokenStore } from '../store/sqlite/tokens.ts'
import type { TokenStore } from '../store/tokens.ts'
import { endProgram } from './end-program.ts'
import { takeStore } from './own-store.ts'
import { starting } from './start-error.ts'

type Stores = {
  readonly store: JobStore
  readonly tokens: TokenStore
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
  return starting('cannot open the store', async () => {
    await files.belongTo(store.serverId, await store.needsFiles())
    crashPoint('open: owner noted')
    await removeLeftovers(store, files, log)
    return { store, tokens }
  })
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
