import { existsSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { JobFiles } from '../files/job-files.ts'
import { refuseUnfinished } from '../files/restore-mark.ts'
import { inspectDatabase } from '../store/sqlite/database.ts'
import { takeLock } from '../store/sqlite/lock.ts'
import { starting } from './start-error.ts'

type Places = { readonly dbPath: string; readonly dataPath: string }

/**
 * Makes sure that this process alone uses a server's database and its files, and that nothing else
 * is there; the database need not be there yet.
 *
 * @param held gets the locks.
 * @throws StartError when something is in the way that the operator can mend.
 */
export async function takeStore(
  { dbPath, dataPath }: Places,
  files: JobFiles,
  held: AsyncDisposableStack,
): Promise<void> {
  await starting(`cannot use the database ${resolve(dbPath)}`, () => inspectDatabase(dbPath))
  await takeLocks({ dbPath, dataPath }, files, held)
  await starting('cannot open the store', async () => {
    await refuseUnfinished(files)
    if (!existsSync(dbPath)) await files.belongTo(undefined)
  })
}

/**
 * The same, whatever there is.
 *
 * @param advice what to do when another process is there; a server is told of its paths.
 */
export async function takeLocks(
  { dbPath, dataPath }: Places,
  files: JobFiles,
  held: AsyncDisposableStack,
  advice?: string,
): Promise<void> {
  await starting(`cannot use the data directory ${resolve(dataPath)}`, () => files.prepare())
  await starting('cannot open the store', async () => {
    held.use(
      takeLock(files.lockFile, advice ?? 'give each server its own --data-path and --db-path'),
    )
    held.use(
      takeLock(
        await lockFileOf(dbPath),
        advice ?? 'give each server its own --db-path and --data-path',
      ),
    )
  })
}

/** Whoever holds this uses a server's database; a symbolic link is the same one. */
export async function lockFileOf(dbPath: string): Promise<string> {
  return `${await realpath(dbPath).catch(() => dbPath)}.lock`
}
