/** Assembles the import of an installation of 2.2.3. */
import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { ImportConfig } from '../config/import-config.ts'
import { Fault, messageOf, systemCode } from '../domain/errors.ts'
import { JobFiles } from '../files/job-files.ts'
import { findOpeners } from '../files/openers.ts'
import { importJobs } from '../import/import-jobs.ts'
import { Report } from '../import/report.ts'
import { JobImport } from '../store/sqlite/import.ts'
import { OldJobs } from '../store/sqlite/old-jobs.ts'
import { inspectDatabase } from '../store/sqlite/database.ts'
import { openSnapshot } from '../store/sqlite/snapshot.ts'
import { takeStore } from './own-store.ts'
import { Progress } from './progress.ts'
import { isInside, realPath } from '../config/real-path.ts'
import { StartError, starting } from './start-error.ts'

/**
 * Imports, and says what was done.
 *
 * @param stopping the batch under way is finished then.
 * @param say writes a line to standard output; progress goes to standard error.
 * @returns whether all was done.
 * @throws StartError when something is in the way that the operator can mend.
 */
export async function runImport(
  config: ImportConfig,
  stopping: AbortSignal,
  say: (line: string) => void,
): Promise<boolean> {
  const { from, data, dbPath, dataPath, isDry, maxAgeMs } = config
  refuseSamePlaces(config)
  await using held = new AsyncDisposableStack()
  const old = await starting(`cannot read ${from}`, () => held.use(new OldJobs(from)))
  const openers = await findOpeners(from)
  if (openers.length > 0) {
    warn(
      `process ${openers.join(', ')} has ${from} open: 2.2.3 seems to run, so only what has ` +
        'ended is imported; stop it, and import again for the rest',
    )
  }
  const files = new JobFiles(dataPath)
  const target = isDry ? await lookAtTarget(config, files, held) : await open(config, files, held)
  const report = new Report(maxAgeMs)
  const progress = new Progress(() => report.progress(old.count))
  try {
    const places = { data, files: isDry ? undefined : files }
    const onProgress = () => progress.tell()
    const onlyEnded = openers.length > 0
    await importJobs({ ...places, old, target, onlyEnded, signal: stopping, onProgress }, report)
  } catch (error) {
    throw asMendable(error)
  } finally {
    progress.end()
  }
  if (stopping.aborted) say(`${String(stopping.reason)}: cut short; import again to go on`)
  for (const line of report.lines(isDry)) say(line)
  if (!isDry) say(`in ${resolve(dbPath)} and ${resolve(dataPath, 'jobs')}`)
  return !stopping.aborted
}

/** 2.2.3 and this version have the same default paths. */
function refuseSamePlaces({ from, data, dbPath, dataPath }: ImportConfig): void {
  if (existsSync(from) && existsSync(dbPath) && realPath(from) === realPath(dbPath)) {
    throw new StartError(
      `--db-path is the very file ${from}, which is only read: give another --db-path, here and ` +
        'to the server',
    )
  }
  if (!statSync(data, { throwIfNoEntry: false })?.isDirectory()) {
    throw new StartError(`${data} is not a directory; --data is the data directory of 2.2.3`)
  }
  if (isInside(dataPath, data)) {
    throw new StartError(
      `--data-path is ${data} itself or inside it, which is only read: give another --data-path, ` +
        'here and to the server',
    )
  }
}

async function open(
  config: ImportConfig,
  files: JobFiles,
  held: AsyncDisposableStack,
): Promise<JobImport> {
  await takeStore(config, files, held)
  return starting('cannot open the store', async () => {
    const target = held.use(JobImport.open(config.dbPath))
    await files.belongTo(target.serverId)
    // Of an import that was cut short, too.
    await files.removeLeftovers(async (ids) => ids.filter((id) => id > target.highestId))
    return target
  })
}

/** Names the file, and says that nothing is lost. */
function asMendable(error: unknown): unknown {
  if (error instanceof Fault && error.code === 'conflict') {
    return new StartError(error.message, { cause: error })
  }
  if (!(error instanceof Fault) && systemCode(error) === undefined) return error
  const behind = 'what was imported before that is whole: mend it and import again'
  return new StartError(`${messageOf(error)}; ${behind}`, { cause: error })
}

/** What there is of the target, which stays as it is. */
async function lookAtTarget(
  { dbPath }: ImportConfig,
  files: JobFiles,
  held: AsyncDisposableStack,
): Promise<JobImport | undefined> {
  return starting(`cannot use the database ${resolve(dbPath)}`, async () => {
    if (existsSync(dbPath)) {
      inspectDatabase(dbPath)
      const database = held.use(openSnapshot(dbPath))
      if (JobImport.isMade(database)) {
        return new JobImport(database)
      }
    }
    await files.belongTo(undefined)
    return undefined
  })
}

function warn(line: string): void {
  process.stderr.write(`job-orchestrator import: ${line}\n`)
}
