/** The database of a backup becomes a server's, beside the one that is there, and then instead. */
import { existsSync, readdirSync, renameSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { copyAtRest, removeDatabase } from './copy.ts'
import { inspectDatabase, openDatabase } from './database.ts'
import { reserveIdsUpTo } from './id-sequence.ts'
import { openJobStore } from './jobs.ts'
import { KeptJobs } from './kept-jobs.ts'
import { mergeTokenRows, readTokenRows } from './kept-tokens.ts'
import type { Row } from './rows.ts'

/** A job that is not to be what it was, and why. */
type Lost = { readonly id: number; readonly reason: string }

/** What a backup does not know of the server that it is brought back to. */
type Since = {
  /** No id up to this one is to be given again. */
  readonly highestId: number
  /** Tokens, as they stand in the databases that are replaced. */
  readonly tokens: readonly Row[]
}

const setAside = '.before-restore-'
const lostAtOnce = 1000

export class RestoredDatabase {
  readonly #place: string
  readonly #path: string

  /** @param place where the server's database is, or is to be, without links. */
  constructor(place: string) {
    this.#place = place
    this.#path = `${place}.restoring`
  }

  /**
   * Copies it beside, and brings it to the newest version.
   *
   * @throws StoreError if it cannot be used.
   */
  takeFrom(backup: string): KeptJobs {
    copyAtRest(backup, this.#path)
    openDatabase(this.#path).close()
    return KeptJobs.open(this.#path)
  }

  /** Tells it which jobs have lost their files, and what has been since. */
  async finish(lost: readonly Lost[], { highestId, tokens }: Since, nowMs: number): Promise<void> {
    {
      // The rule is for jobs that clients lose; none does here.
      await using store = openJobStore(this.#path, { maxAttempts: 1 })
      for (let at = 0; at < lost.length; at += lostAtOnce) {
        const some = lost.slice(at, at + lostAtOnce)
        const learn = ({ id, reason }: Lost) =>
          store.learn(id, { is: 'files missing', reason }, nowMs)
        await Promise.all(some.map(learn))
      }
    }
    using database = openDatabase(this.#path)
    reserveIdsUpTo(database, highestId)
    mergeTokenRows(database, tokens, nowMs)
  }

  /** What the database that is there is to be called, by the name of the restore. */
  asideFor(name: string): string {
    return `${this.#place}${setAside}${name}`
  }

  /** Puts it in the place, durably, and what is there under another name. */
  async putInPlace(aside: string): Promise<void> {
    await flush(this.#path)
    // The journals first: they would be applied to whatever has the name of the database.
    for (const part of ['-wal', '-shm', '-journal', '']) {
      if (existsSync(this.#place + part)) renameSync(this.#place + part, aside + part)
    }
    await flush(dirname(this.#place))
    renameSync(this.#path, this.#place)
    await flush(dirname(this.#place))
  }

  /** Leaves nothing of it, unless it is in its place. */
  discard(): void {
    removeDatabase(this.#path)
  }

  /** Databases of this place that earlier restores have set aside. */
  asides(): string[] {
    const directory = dirname(this.#place)
    const prefix = basename(this.#place) + setAside
    return readdirSync(directory)
      .filter((name) => name.startsWith(prefix) && !/-(wal|shm|journal)$/.test(name))
      .map((name) => join(directory, name))
  }
}

/** What a database says of itself; `undefined` if it is not there, or cannot be read. */
export function askDatabase(path: string): (Since & { readonly serverId: string }) | undefined {
  try {
    // One that is no database any more is to be kept with its journal, which opening it removes.
    inspectDatabase(path)
    using kept = KeptJobs.open(path)
    const { serverId, highestId } = kept
    return { serverId, highestId, tokens: readTokenRows(kept.database) }
  } catch {
    return undefined
  }
}

async function flush(path: string): Promise<void> {
  await using handle = await open(path, 'r')
  await handle.sync()
}
