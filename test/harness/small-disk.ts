import { execFile } from 'node:child_process'
import { mkdir, open, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { systemCode } from '../../src/domain/errors.ts'

const run = promisify(execFile)
const blockBytes = 64 * 1024

/** A real file system of a few megabytes, in memory. */
export class SmallDisk implements AsyncDisposable {
  readonly directory: string
  readonly #ballast: string

  private constructor(directory: string) {
    this.directory = directory
    this.#ballast = join(directory, 'ballast')
  }

  /**
   * Mounts one.
   *
   * @param options of tmpfs(5), such as `size=8m` or `nr_inodes=100`.
   * @returns why there can be none here, if that is so.
   */
  static async mount(directory: string, options: string): Promise<SmallDisk | string> {
    await mkdir(directory, { recursive: true })
    try {
      await run('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', directory])
    } catch (error) {
      return `a small file system cannot be mounted here: ${String(error).split('\n')[0]}`
    }
    return new SmallDisk(directory)
  }

  /** Takes all the room there is, but for so many bytes. */
  async fill(leaveBytes = 0): Promise<void> {
    await using handle = await open(this.#ballast, 'a')
    try {
      for (;;) await handle.write(Buffer.alloc(blockBytes))
    } catch (error) {
      if (systemCode(error) !== 'ENOSPC') throw error
    }
    const { size } = await handle.stat()
    await handle.truncate(Math.max(0, size - leaveBytes))
  }

  /** How much room there is. */
  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.directory)
    return bavail * bsize
  }

  /** Takes all the inodes there are. */
  async fillInodes(): Promise<void> {
    await mkdir(this.#ballast, { recursive: true })
    try {
      for (let n = 0; ; n++) await (await open(join(this.#ballast, String(n)), 'w')).close()
    } catch (error) {
      if (systemCode(error) !== 'ENOSPC') throw error
    }
  }

  /** Gives the room back. */
  async free(): Promise<void> {
    await rm(this.#ballast, { recursive: true, force: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Whoever still has a file of it open keeps it, unseen.
    await run('umount', ['--lazy', this.directory])
  }
}
