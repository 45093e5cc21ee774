/**
 * Restores a backup.
 *
 * First all that takes time or space, beside what is there: the database is copied and made ready,
 * and the files that are only in the backup. Then, under a mark, everything is moved. Ended in the
 * first part, it has changed nothing; ended in the second, a server refuses to start until a further
 * restore has finished it.
 */
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault, asFault } from '../domain/errors.ts'
import { freeName, idsAside } from '../files/aside.ts'
import { nothingCopied } from '../files/job-copy.ts'
import type { Copied } from '../files/job-copy.ts'
import { JobFiles } from '../files/job-files.ts'
import { markRestore, unfinishedRestore, unmarkRestore } from '../files/restore-mark.ts'
import type { KeptJobs } from '../store/sqlite/kept-jobs.ts'
import { RestoredDatabase, askDatabase } from '../store/sqlite/restore-database.ts'
import { backupDatabase } from './layout.ts'
import { moveFiles } from './move-files.ts'
import { planRestore } from './plan-restore.ts'
import type { RestorePlan } from './restore-plan.ts'
import { restoreLines } from './restore-report.ts'

/**
 * Where the database that was there is lost, nobody knows which ids it gave after the backup. More
 * than a server gives in days; whoever still asks for one of them is told that there is no such job.
 */
const leftOutIds = 1_000_000

export type Places = {
  /** The directory of the backup. */
  readonly from: string
  /** Its files. */
  readonly backup: JobFiles
  /** The server's. */
  readonly data: JobFiles
  /** Where the server's database is, or is to be, without links. */
  readonly database: string
  /** Called after each job that was looked at. */
  readonly onProgress: (seen: number, count: number, copiedBytes: number) => void
}

/** All that is to be known before anything is moved. */
type Prepared = {
  readonly plan: RestorePlan
  readonly copied: Copied
  readonly serverId: string
  readonly lastChangeAtMs: number | null
  readonly highestId: number
  readonly leftOutIds: number
  readonly areTokensKnown: boolean
}

export class Restoring {
  readonly #places: Places
  readonly #data: JobFiles
  readonly #database: RestoredDatabase
  #hasMoved = false

  constructor(places: Places) {
    this.#places = places
    this.#data = places.data
    this.#database = new RestoredDatabase(places.database)
  }

  /** Whether what is there is not any more what it was. */
  get hasMoved(): boolean {
    return this.#hasMoved
  }

  /** Makes everything beside what is there; `undefined` if it is not to go on. */
  async prepare(stopping: AbortSignal): Promise<Prepared | undefined> {
    try {
      const prepared = await this.#prepare(stopping)
      if (!prepared) this.#database.discard()
      return prepared
    } catch (error) {
      this.#database.discard()
      const fault = asFault(error)
      if (fault instanceof Fault && fault.code === 'no_space') await this.#removeStaged()
      throw error
    }
  }

  async #prepare(stopping: AbortSignal): Promise<Prepared | undefined> {
    const copied = nothingCopied()
    let plan: RestorePlan
    let about: Pick<Prepared, 'serverId' | 'lastChangeAtMs'> & { readonly highestId: number }
    {
      using kept = this.#database.takeFrom(join(this.#places.from, backupDatabase))
      await refuseMixed(this.#places.backup, kept)
      const { serverId, lastChangeAtMs, highestId } = kept
      about = { serverId, lastChangeAtMs, highestId }
      plan = await this.#plan(kept, copied, stopping)
    }
    if (stopping.aborted) return undefined
    const ids = await this.#since(about)
    const { tokens, ...known } = ids
    await this.#database.finish(plan.lost, { ...known, tokens }, Date.now())
    return { ...about, plan, copied, ...known }
  }

  /** Which ids are not to be given again, and which tokens there are, as far as that can be known. */
  async #since({ serverId, highestId }: { readonly serverId: string; readonly highestId: number }) {
    const unfinished = await unfinishedRestore(this.#data)
    const replaced = [
      this.#places.database,
      ...(unfinished === undefined ? [] : [this.#database.asideFor(unfinished)]),
    ].map(askDatabase)
    const asides = this.#database.asides().map(askDatabase)
    const own = replaced.filter((one) => one?.serverId === serverId)
    const areKnown = own.length > 0
    const known = [
      highestId,
      ...[...replaced, ...asides].map((one) => one?.highestId ?? 0),
      ...(await this.#data.ids()),
      ...(await idsAside(this.#data)),
    ].reduce((a, b) => Math.max(a, b))
    return {
      highestId: known + (areKnown ? 0 : leftOutIds),
      leftOutIds: areKnown ? 0 : leftOutIds,
      areTokensKnown: areKnown,
      tokens: own.flatMap((one) => one?.tokens ?? []),
    }
  }

  async #plan(kept: KeptJobs, copied: Copied, signal: AbortSignal): Promise<RestorePlan> {
    const staged = new JobFiles(this.#staging)
    await staged.prepare()
    const { count } = kept
    const { backup, data, onProgress } = this.#places
    let seen = 0
    const onSeen = () => onProgress(++seen, count, copied.bytes)
    return planRestore({ kept, backup, data, staged, signal, onSeen }, copied)
  }

  /** Moves everything to its place, and says what was done. */
  async move({ plan, serverId, ...prepared }: Prepared): Promise<string[]> {
    const data = this.#data
    const name = (await unfinishedRestore(data)) ?? timeName(Date.now())
    await markRestore(data, name)
    this.#hasMoved = true
    const asideDirectory = await moveFiles(data, plan, name, serverId)
    const aside = freeName(this.#database.asideFor(name))
    const asideDatabase = existsSync(this.#places.database) ? aside : undefined
    await this.#database.putInPlace(aside)
    await unmarkRestore(data)
    await this.#removeStaged()
    return restoreLines({ ...prepared, plan, asideDirectory, asideDatabase })
  }

  /** On the disk of the data; what is left of it goes at the start of a server. */
  get #staging(): string {
    return join(this.#data.directory, 'incoming', 'restore')
  }

  async #removeStaged(): Promise<void> {
    await rm(this.#staging, { recursive: true, force: true })
  }
}

/** @throws Fault `conflict` if the files of a backup are not those of its database. */
async function refuseMixed(backup: JobFiles, kept: KeptJobs): Promise<void> {
  const owner = await backup.owner()
  if (owner === kept.serverId) return
  const ids = existsSync(backup.directory) ? await backup.ids() : []
  if (ids.length === 0) return
  throw new Fault(
    'conflict',
    `the files in ${backup.directory} are not those of the ${backupDatabase} beside it`,
  )
}

function timeName(atMs: number): string {
  return new Date(atMs).toISOString().replaceAll(/[-:]|\.\d+/g, '')
}
