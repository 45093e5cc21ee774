/** Assembles the restore of a backup. */
import { accessSync, constants, existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { backupDatabase } from '../backup/layout.ts'
import { Restoring } from '../backup/restoring.ts'
import type { RestoreConfig } from '../config/backup-config.ts'
import { sayBytes } from '../domain/count.ts'
import { Fault, asFault, messageOf, systemCode } from '../domain/errors.ts'
import { JobFiles } from '../files/job-files.ts'
import { DamagedError, StoreError, inspectDatabase } from '../store/sqlite/database.ts'
import { takeLock } from '../store/sqlite/lock.ts'
import { takeLocks } from './own-store.ts'
import { Progress } from './progress.ts'
import { realPath } from '../config/real-path.ts'
import { StartError, starting } from './start-error.ts'

/**
 * Restores, and says what was done.
 *
 * @param stopping what was begun is undone, or finished if it cannot be undone any more.
 * @param say writes a line to standard output; progress goes to standard error.
 * @returns whether all was done.
 * @throws StartError when something is in the way that the operator can mend.
 */
export async function runRestore(
  config: RestoreConfig,
  stopping: AbortSignal,
  say: (line: string) => void,
): Promise<boolean> {
  const { from, dbPath, dataPath } = config
  await using held = new AsyncDisposableStack()
  const backup = new JobFiles(from)
  refuseSamePlaces(config)
  takeBackup(from, backup, held)
  await starting(`cannot use the database ${resolve(dbPath)}`, () => refuseForeign(dbPath))
  const data = new JobFiles(dataPath)
  await takeLocks(config, data, held, 'a server has to be stopped before a restore')

  let soFar = ''
  const progress = new Progress(() => soFar)
  const onProgress = (seen: number, count: number, copiedBytes: number) => {
    soFar = `${seen} of ${count} jobs, ${sayBytes(copiedBytes)} copied`
    progress.tell()
  }
  const restoring = new Restoring({ from, backup, data, database: realPath(dbPath), onProgress })
  try {
    const prepared = await restoring.prepare(stopping).finally(() => progress.end())
    if (!prepared) {
      say(`${String(stopping.reason)}: cut short; nothing was changed`)
      return false
    }
    say(`restored the backup in ${resolve(from)}`)
    for (const line of await restoring.move(prepared)) say(line)
    say(`in ${resolve(dbPath)} and ${data.directory}`)
    return true
  } catch (error) {
    throw asMendable(error, restoring.hasMoved)
  }
}

/** Keeps a backup away while it is read; one on a disk that cannot be written to is safe anyway. */
function takeBackup(from: string, backup: JobFiles, held: AsyncDisposableStack): void {
  if (!existsSync(join(from, backupDatabase))) {
    throw new StartError(
      `${resolve(from)} has no file ${backupDatabase}; --from is a directory that ` +
        'job-orchestrator backup has filled',
    )
  }
  try {
    accessSync(backup.directory, constants.W_OK)
  } catch {
    return
  }
  try {
    held.use(takeLock(backup.lockFile, 'wait for the backup that is being made there'))
  } catch (error) {
    throw new StartError(messageOf(error), { cause: error })
  }
}

/** A damaged database may well be the reason of a restore; another program's is not. */
function refuseForeign(dbPath: string): void {
  try {
    inspectDatabase(dbPath)
  } catch (error) {
    if (!(error instanceof DamagedError)) throw error
  }
}

function refuseSamePlaces({ from, dbPath, dataPath }: RestoreConfig): void {
  const isSame =
    realPath(join(from, backupDatabase)) === realPath(dbPath) ||
    realPath(join(from, 'jobs')) === realPath(join(dataPath, 'jobs'))
  if (isSame) {
    throw new StartError(`${resolve(from)} is where the server has its own: give the --from`)
  }
}

function asMendable(error: unknown, hasMoved: boolean): unknown {
  const fault = asFault(error)
  if (fault instanceof StartError) return fault
  const isForeseen =
    fault instanceof Fault || fault instanceof StoreError || systemCode(fault) !== undefined
  if (!isForeseen) return error
  const state = hasMoved
    ? 'it is half done, and no server starts on it: mend it and restore again'
    : 'nothing was changed'
  return new StartError(`cannot restore: ${messageOf(fault)}; ${state}`, { cause: error })
}
