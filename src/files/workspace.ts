/** A directory that is being filled with the files of a job, as they come from the wire. */
import { renameSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Fault, asFault, systemCode } from '../domain/errors.ts'
import { PathSet, safePath } from '../domain/names.ts'
import { makeDirectories } from './directories.ts'
import { all, syncDirectory } from './durable.ts'
import { NewFile } from './new-file.ts'

/** So many files may wait for the disk before the next one is taken. */
const mostFlushes = 32

/** Whether what is written is to be there after a power cut. */
export type Keeping = 'durable' | 'until power cut'

/**
 * Files go to `<directory>/<within>/`; the directory itself is private until it is published
 * under its real name, or discarded.
 */
export class Workspace {
  #directory: string
  readonly #root: string
  readonly #keeping: Keeping
  readonly #paths: PathSet
  #directories = new Set<string>()
  readonly #flushes = new Set<Promise<void>>()
  #flushFault: unknown
  #isPublished = false

  private constructor(directory: string, root: string, keeping: Keeping, mostFiles: number) {
    this.#paths = new PathSet(mostFiles)
    this.#directory = directory
    this.#root = root
    this.#keeping = keeping
  }

  /**
   * Makes a new empty workspace.
   *
   * @param mostFiles that may be put into it.
   */
  static create(
    directory: string,
    within: string,
    keeping: Keeping,
    mostFiles = Infinity,
  ): Workspace {
    const root = join(directory, within)
    try {
      // What a script makes may be for everybody to run, as its user.
      makeDirectories(directory, 0o700)
      makeDirectories(root)
    } catch (error) {
      throw asFault(error)
    }
    const workspace = new Workspace(directory, root, keeping, mostFiles)
    workspace.#directories.add(directory).add(root)
    return workspace
  }

  get isDurable(): boolean {
    return this.#keeping === 'durable'
  }

  /** Where it is now. */
  get directory(): string {
    return this.#directory
  }

  get fileCount(): number {
    return this.#paths.size
  }

  /** No file is in a directory. */
  get isFlat(): boolean {
    return this.#paths.isFlat
  }

  has(path: string): boolean {
    return this.#paths.has(path)
  }

  /**
   * Writes one file.
   *
   * @param name as it was sent; see `safePath`.
   * @throws Fault `invalid` for a name that cannot be, `no_space`, `broken_disk`, whatever `content`
   *   throws.
   */
  async add(name: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    if (this.#flushFault !== undefined) throw this.#flushFault
    const path = safePath(name)
    this.#paths.add(path)
    const target = join(this.#root, path)
    try {
      this.#makeParents(dirname(target))
      const file = openNew(target, name, this.isDurable)
      try {
        for await (const piece of content) await file.write(piece)
      } catch (error) {
        file.close()
        throw error
      }
      if (this.isDurable) await this.#flush(file)
      else await file.written().finally(() => file.close())
    } catch (error) {
      throw asFault(error)
    }
  }

  #makeParents(directory: string): void {
    const missing: string[] = []
    for (let at = directory; !this.#directories.has(at); at = dirname(at)) missing.push(at)
    if (missing.length === 0) return
    makeDirectories(directory)
    for (const made of missing) this.#directories.add(made)
  }

  /** Flushes and closes a file while the next one is taken. */
  async #flush(file: NewFile): Promise<void> {
    const flushing = file
      .flush()
      .catch((error: unknown) => {
        this.#flushFault ??= error
      })
      .finally(() => this.#flushes.delete(flushing))
    this.#flushes.add(flushing)
    if (this.#flushes.size >= mostFlushes) await Promise.race(this.#flushes)
  }

  /**
   * Makes all that is in it durable, though not its own name.
   *
   * @throws Fault `no_space`, `broken_disk`.
   */
  async flush(): Promise<void> {
    await all([...this.#flushes, ...[...this.#directories].map(syncDirectory)])
    if (this.#flushFault !== undefined) throw this.#flushFault
  }

  /**
   * Gives the directory its real name, durably if it is to be. What has to be found only when it is
   * whole is flushed before.
   *
   * @throws Fault `no_space`, `broken_disk`; whoever has published it removes it then.
   */
  async publish(target: string): Promise<void> {
    try {
      renameSync(this.#directory, target)
    } catch (error) {
      throw asFault(error)
    }
    const from = this.#directory.length
    this.#directories = new Set([...this.#directories].map((made) => target + made.slice(from)))
    this.#directory = target
    this.#isPublished = true
    if (this.isDurable) await syncDirectory(dirname(target))
  }

  /** Removes everything, unless it was published. What cannot be removed is, at the next start. */
  async discard(): Promise<void> {
    if (this.#isPublished) return
    await Promise.all(this.#flushes)
    await rm(this.#directory, { recursive: true, force: true }).catch(() => {})
  }
}

/** A disk may take two names for one that are two to us: some ignore case, or Unicode forms. */
function openNew(target: string, name: string, isFlushed: boolean): NewFile {
  try {
    return NewFile.open(target, { mustBeNew: true, isFlushed })
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
    const said = JSON.stringify(name.slice(0, 80))
    const why = `file name ${said} is the same as another one on this disk`
    throw new Fault('invalid', why, { cause: error })
  }
}
