/** Assembles the backup of a server, which may run meanwhile. */
import { existsSync, renameSync, statSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { backUpFiles } from '../backup/back-up-files.ts'
import { BackupReport } from '../backup/backup-report.ts'
import { backupDatabase } from '../backup/layout.ts'
import type { BackupConfig } from '../config/backup-config.ts'
import { Fault, asFault, messageOf, systemCode } from '../domain/errors.ts'
import { syncDirectory } from '../files/durable.ts'
import { JobFiles } from '../files/job-files.ts'
import { refuseUnfinished } from '../files/restore-mark.ts'
import { copyDatabase, removeDatabase } from '../store/sqlite/copy.ts'
import { StoreError, inspectDatabase } from '../store/sqlite/database.ts'
import { KeptJobs } from '../store/sqlite/kept-jobs.ts'
import { takeLock } from '../store/sqlite/lock.ts'
import { Progress } from './progress.ts'
import { isInside, realPath } from '../config/real-path.ts'
import { StartError, starting } from './start-error.ts'

/**
 * Backs up, and says what was done. The earlier backup counts until the new one is whole: the copy
 * of the database gets its name last.
 *
 * @param stopping what is under way is finished then.
 * @param say writes a line to standard output; progress goes to standard error.
 * @returns whether all was done.
 * @throws StartError when something is in the way that the operator can mend.
 */
export async function runBackup(
  config: BackupConfig,
  stopping: AbortSignal,
  say: (line: string) => void,
): Promise<boolean> {
  const { to, dbPath, dataPath, isDatabaseOnly } = config
  await using held = new AsyncDisposableStack()
  const live = await starting(`cannot read the database ${resolve(dbPath)}`, () => {
    inspectDatabase(dbPath)
    if (!existsSync(dbPath)) {
      throw new StartError(`there is no database ${resolve(dbPath)}: is --db-path the server's?`)
    }
    return held.use(KeptJobs.open(dbPath))
  })
  const from = new JobFiles(dataPath)
  refuseSamePlaces(config)
  await starting(`cannot use the data directory ${resolve(dataPath)}`, async () => {
    await refuseUnfinished(from)
    if (!isDatabaseOnly) await from.belongTo(live.serverId, true)
  })
  const target = new JobFiles(to)
  await starting(`cannot use the directory ${resolve(to)}`, async () => {
    await refuseOther(to, target, live.serverId)
    await target.prepare()
    held.use(takeLock(target.lockFile, 'wait for that backup, or give another --to'))
    await target.giveTo(live.serverId)
    await target.removeLeftovers(async () => [])
  })
  const fresh = join(to, `${backupDatabase}.new`)
  try {
    await copyDatabase(live.database, fresh)
    const report = new BackupReport()
    const unneeded = isDatabaseOnly
      ? undefined
      : await copyFiles({ live, fresh, from, to: target, stopping }, report)
    if (stopping.aborted) {
      removeDatabase(fresh)
      say(`${String(stopping.reason)}: cut short; back up again to go on`)
      return false
    }
    await syncDirectory(target.directory)
    renameSync(fresh, join(to, backupDatabase))
    await syncDirectory(to)
    if (unneeded) await target.removeLeftovers(async () => unneeded)
    say(`backed up the server of ${resolve(dbPath)}`)
    const { size } = await stat(join(to, backupDatabase))
    for (const line of report.lines({ sizeBytes: size }, unneeded?.length)) say(line)
    say(`in ${resolve(to)}`)
    return true
  } catch (error) {
    removeDatabase(fresh)
    throw asMendable(error, to)
  }
}

type Copying = {
  readonly live: KeptJobs
  readonly fresh: string
  readonly from: JobFiles
  readonly to: JobFiles
  readonly stopping: AbortSignal
}

async function copyFiles(
  { live, fresh, from, to, stopping: signal }: Copying,
  report: BackupReport,
): Promise<number[]> {
  using kept = KeptJobs.open(fresh)
  const { count } = kept
  const progress = new Progress(() => report.progress(count))
  try {
    const onProgress = () => progress.tell()
    return await backUpFiles({ kept, live, from, to, signal, onProgress }, report)
  } finally {
    progress.end()
  }
}

/** A backup would overwrite what it is to save. */
function refuseSamePlaces({ to, dbPath, dataPath }: BackupConfig): void {
  const jobs = join(dataPath, 'jobs')
  const isOwn =
    realPath(join(to, backupDatabase)) === realPath(dbPath) ||
    isInside(to, jobs) ||
    isInside(join(to, 'jobs'), jobs)
  if (isOwn) {
    throw new StartError(`${resolve(to)} is where the server has its own: give another --to`)
  }
}

/** What is no backup of this server is not written to. */
async function refuseOther(to: string, target: JobFiles, serverId: string): Promise<void> {
  const owner = await target.owner()
  if (owner === serverId) return
  if (owner !== undefined) {
    throw new StartError(`${resolve(to)} has the files of another server: give another --to`)
  }
  if (!statSync(to, { throwIfNoEntry: false })) return
  const names = (await readdir(to)).filter((name) => name !== 'lost+found' && name !== 'jobs')
  const jobs = existsSync(target.directory) ? await target.ids() : []
  if (names.length + jobs.length > 0) {
    throw new StartError(
      `${resolve(to)} is neither empty nor a backup of this server: give another --to`,
    )
  }
}

function asMendable(error: unknown, to: string): unknown {
  const fault = asFault(error)
  const isForeseen =
    fault instanceof Fault || fault instanceof StoreError || systemCode(fault) !== undefined
  if (!isForeseen) return error
  const earlier = existsSync(join(to, backupDatabase)) ? 'the earlier backup is as it was, ' : ''
  return new StartError(
    `cannot back up to ${resolve(to)}: ${messageOf(fault)}; ${earlier}and what was copied is not ` +
      'copied again: mend it and back up again',
    { cause: error },
  )
}
