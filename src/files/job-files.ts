/**
 * What the server has on disk.
 *
 *     <DATA_PATH>/jobs/lock              held by the server that uses this directory
 *     <DATA_PATH>/jobs/incoming/<name>/  an upload under way; nothing else knows of it
 *     <DATA_PATH>/jobs/<id>/input/       the files of a job as they were uploaded
 *     <DATA_PATH>/jobs/<id>/result.<n>.zip  the result of its attempt n
 *     <DATA_PATH>/jobs/server            id of the server, so of the database, whose jobs these are
 *     <DATA_PATH>/jobs/aside/<time>/     what a restore has set aside; nobody removes it
 *     <DATA_PATH>/jobs/restoring         a restore was cut short: it has to be run again
 */
import { randomUUID } from 'node:crypto'
import { readdirSync, renameSync, statSync } from 'node:fs'
import { open, readdir, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { crashPoint } from '../crash-points.ts'
import { Fault, asFault, systemCode } from '../domain/errors.ts'
import { saySize } from '../domain/free-space.ts'
import type { Result } from '../domain/job.ts'
import type { Marker } from '../domain/marker.ts'
import type { Zip } from './archive.ts'
import { makeDirectoriesDurably } from './directories.ts'
import { all, syncDirectory, write, writeDurably } from './durable.ts'
import type { Content } from './durable.ts'
import { freeBytesAt } from './free-space.ts'
import { limited } from './limited.ts'
import type { NewFile } from './new-file.ts'
import { readOlderResult } from './older-result.ts'
import { readIfThere } from './read.ts'
import { removeAll } from './remove.ts'
import type { Removals } from './remove.ts'
import { Workspace } from './workspace.ts'

/** One uploaded file: its path in the job, where it is, and its size. */
export type InputFile = { readonly path: string; readonly file: string; readonly sizeBytes: number }

/** So many files are looked at before somebody else may do something. */
const atOnce = 64

export class JobFiles {
  readonly #root: string
  readonly #incoming: string

  /** @param dataPath DATA_PATH */
  constructor(dataPath: string) {
    this.#root = resolve(dataPath, 'jobs')
    this.#incoming = join(this.#root, 'incoming')
  }

  /** Where all of it is: `jobs/`. */
  get directory(): string {
    return this.#root
  }

  get lockFile(): string {
    return join(this.#root, 'lock')
  }

  /** Makes the directories. */
  async prepare(): Promise<void> {
    await makeDirectoriesDurably(this.#incoming)
  }

  /**
   * Makes sure that these are the files of a database: with another one, every job here would look
   * like one that was never committed.
   *
   * @param serverId of the database; `undefined` if it is yet to be made.
   * @param needsFiles whether that database has jobs whose files should be here.
   * @throws Fault `conflict` if they are another one's, or are not here.
   */
  async belongTo(serverId: string | undefined, needsFiles = false): Promise<void> {
    const owner = await this.owner()
    if (owner === serverId) return
    if (owner === undefined && needsFiles) {
      throw new Fault(
        'conflict',
        `the database has jobs whose files should be in ${this.#root}, which has none of them: is ` +
          'its disk mounted, and --data-path right?',
      )
    }
    if (owner === undefined && serverId !== undefined) return this.giveTo(serverId)
    throw new Fault(
      'conflict',
      `the jobs in ${this.#root} belong to another database: give its --db-path, or another ` +
        '--data-path',
    )
  }

  /** Makes these the files of a database, whosever they were. */
  async giveTo(serverId: string): Promise<void> {
    await writeDurably(join(this.#root, 'server'), serverId)
  }

  /** Id of the database whose files these are; `undefined` if there is none yet. */
  async owner(): Promise<string | undefined> {
    return readIfThere(join(this.#root, 'server'))
  }

  /** Ids of all jobs that have a directory here. */
  async ids(): Promise<number[]> {
    const names = (await readdir(this.#root)).filter((name) => /^[1-9]\d*$/.test(name))
    return names.map(Number).filter(Number.isSafeInteger)
  }

  /**
   * Removes what an earlier process left: uploads that were never finished, and directories that no
   * job needs, be it that their job was never committed or that it is `Cleaned`.
   *
   * Only at the start, before anything is received: later there may be a directory whose job is
   * about to be committed.
   *
   * @param withoutFiles says which of these ids need no files.
   */
  async removeLeftovers(
    withoutFiles: (ids: readonly number[]) => Promise<readonly number[]>,
  ): Promise<{ readonly uploads: Removals; readonly jobs: Removals }> {
    const uploads = (await readdir(this.#incoming)).map((name) => join(this.#incoming, name))
    const unneeded = await withoutFiles(await this.ids())
    const removedUploads = await removeAll(uploads)
    crashPoint('recover: uploads removed')
    const removedJobs = await removeAll(unneeded.map((id) => this.#directory(id)))
    crashPoint('recover: jobs removed')
    return { uploads: removedUploads, jobs: removedJobs }
  }

  /** A new workspace for an upload of so many files. */
  receive(mostFiles?: number): Workspace {
    return Workspace.create(join(this.#incoming, randomUUID()), 'input', 'durable', mostFiles)
  }

  /** Makes the files of an upload those of a job, durably. */
  async publish(workspace: Workspace, id: number): Promise<void> {
    try {
      // It is found only when its row is committed, so its name need not wait for its content.
      const published = workspace.publish(this.#directory(id))
      await all([published, workspace.flush()])
    } catch (error) {
      await this.remove(id)
      throw error
    }
  }

  /** Takes the files of a job away that was never committed, or is `Cleaned`. */
  async remove(id: number): Promise<void> {
    await rm(this.#directory(id), { recursive: true, force: true })
  }

  inputDirectory(id: number): string {
    return join(this.#directory(id), 'input')
  }

  /**
   * The uploaded files, sorted by path.
   *
   * @throws Fault `not_found` if they are gone.
   */
  async inputs(id: number): Promise<InputFile[]> {
    const root = this.inputDirectory(id)
    try {
      const files: InputFile[] = []
      const directories = [root]
      for (const directory of directories) {
        for (const entry of readdirSync(directory, { withFileTypes: true })) {
          const file = join(directory, entry.name)
          if (entry.isDirectory()) directories.push(file)
          if (!entry.isFile()) continue
          files.push({ path: file.slice(root.length + 1), file, sizeBytes: statSync(file).size })
          if (files.length % atOnce === 0) await setImmediate()
        }
      }
      return files.toSorted((a, b) => (a.file < b.file ? -1 : 1))
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error
      throw new Fault('not_found', 'the uploaded files are gone from the disk', { cause: error })
    }
  }

  /**
   * Looks whether there is room for a result, to spare the fetching of what cannot be stored.
   *
   * @throws Fault `no_space` if there is not.
   */
  async demandRoom({ sizeBytes }: Result): Promise<void> {
    const freeBytes = freeBytesAt(this.#root)
    if (freeBytes >= sizeBytes) return
    const need = `${saySize(sizeBytes)} are needed, ${saySize(freeBytes)} are left`
    throw new Fault('no_space', `there is no space left on the server's disk: ${need}`)
  }

  resultFile(id: number, attempt: number): string {
    return join(this.#directory(id), `result.${attempt}.zip`)
  }

  /**
   * Stores the result of a job, whole and durable or not at all.
   *
   * @throws Fault `conflict` if it is not what was announced; nothing is kept of it then.
   */
  async storeResult(
    id: number,
    attempt: number,
    content: Content,
    announced: Result,
  ): Promise<void> {
    const target = this.resultFile(id, attempt)
    const part = `${target}.part`
    try {
      // Of what is longer, no more is taken: it may never end.
      const { sizeBytes } = announced
      const { result: got, file } = await write(
        part,
        limited(content, sizeBytes, () => longer(sizeBytes)),
      )
      if (got.sizeBytes !== announced.sizeBytes || got.sha256 !== announced.sha256) {
        file.close()
        throw new Fault(
          'conflict',
          `the result is not what was announced: ${got.sizeBytes} bytes, SHA-256 ${got.sha256}, ` +
            `instead of ${announced.sizeBytes} bytes, SHA-256 ${announced.sha256}`,
        )
      }
      await this.#keep(part, target, file)
    } catch (error) {
      await rm(part, { force: true }).catch(() => {})
      throw error
    }
  }

  /**
   * The same for the ZIP of a 2.2.3 client, which announces nothing; see `readOlderResult`.
   *
   * @returns what is stored, and the exit code that is in it.
   * @throws Fault `invalid` if it is not whole, `conflict` if it is another payload's.
   */
  async storeOlderResult(
    id: number,
    attempt: number,
    content: AsyncIterable<Uint8Array>,
    marker: Marker,
    hasItself: boolean,
  ): Promise<{ readonly result: Result; readonly exitCode: number | null }> {
    const target = this.resultFile(id, attempt)
    const [part, raw] = [`${target}.part`, `${target}.raw.part`]
    try {
      ;(await write(raw, content)).file.close()
      const read = await readOlderResult(raw, marker, hasItself)
      const { result, file } = await write(part, read.content)
      await this.#keep(part, target, file)
      return { result, exitCode: read.exitCode }
    } catch (error) {
      await rm(part, { force: true })
      throw error
    } finally {
      await rm(raw, { force: true })
    }
  }

  /** The ZIP of a 2.2.3 client as users may have it, without storing it. */
  async passOlderResult(content: AsyncIterable<Uint8Array>, marker: Marker): Promise<Zip> {
    const raw = join(this.#incoming, randomUUID())
    const part = `${raw}.part`
    try {
      ;(await write(raw, content)).file.close()
      const read = await readOlderResult(raw, marker, false)
      const { result, file: written } = await write(part, read.content)
      written.close()
      const handle = await open(part, 'r')
      return { content: handle.createReadStream(), sizeBytes: result.sizeBytes }
    } finally {
      // What is open can be read to its end.
      await Promise.all([raw, part].map((file) => rm(file, { force: true })))
    }
  }

  /** Removes the results of all attempts before this one, whole or not. */
  async removeEarlierResults(id: number, attempt: number): Promise<void> {
    if (attempt === 1) return
    const directory = this.#directory(id)
    const names = (await readdir(directory)).filter((name) => {
      const [, number] = /^result\.(\d+)\.zip/.exec(name) ?? []
      return number !== undefined && Number(number) < attempt
    })
    await Promise.all(names.map((name) => rm(join(directory, name), { force: true })))
  }

  /** Removes the result of an attempt that is not the job's. */
  async removeResult(id: number, attempt: number): Promise<void> {
    await rm(this.resultFile(id, attempt), { force: true })
  }

  /** Gives a result its name, durably. */
  async #keep(part: string, target: string, file: NewFile): Promise<void> {
    try {
      // It counts only when the job is final, so its name need not wait for its content.
      renameSync(part, target)
      await all([file.flush(), syncDirectory(dirname(target))])
    } catch (error) {
      await rm(target, { force: true }).catch(() => {})
      throw asFault(error)
    }
  }

  #directory(id: number): string {
    return join(this.#root, String(id))
  }
}

function longer(sizeBytes: number): Fault {
  const announced = `instead of the ${sizeBytes} bytes that were announced`
  return new Fault('conflict', `the result is longer, ${announced}`)
}
