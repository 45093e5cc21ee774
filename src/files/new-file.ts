/**
 * A file that is being written.
 *
 * What the system does in its memory, such as opening a file or taking a small piece of it, is done
 * at once: to hand it to another thread costs ten times as much as the work. Only what waits for
 * the disk, and what is large, is handed over.
 */
import { closeSync, fdatasync, futimesSync, openSync, write, writeSync } from 'node:fs'
import { promisify } from 'node:util'
import { asFault } from '../domain/errors.ts'

const writeElsewhere = promisify(write)
const flushElsewhere = promisify(fdatasync)

/** So much of a file is written at once. */
const smallBytes = 64 * 1024

export class NewFile {
  readonly #descriptor: number
  #sizeBytes = 0
  #isOpen = true

  private constructor(descriptor: number) {
    this.#descriptor = descriptor
  }

  /**
   * Opens one to be written from its beginning.
   *
   * @param mustBeNew whether it must not be there yet.
   * @throws an error of the system.
   */
  static open(path: string, mustBeNew = false): NewFile {
    return new NewFile(openSync(path, mustBeNew ? 'wx' : 'w', 0o644))
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** @throws an error of the system; some of it may be written then. */
  async write(piece: Uint8Array): Promise<void> {
    for (let at = 0; at < piece.byteLength;) {
      const left = piece.byteLength - at
      const written =
        this.#sizeBytes < smallBytes
          ? writeSync(this.#descriptor, piece, at, left)
          : (await writeElsewhere(this.#descriptor, piece, at, left)).bytesWritten
      at += written
      this.#sizeBytes += written
    }
  }

  /** Sets when it was changed last, in milliseconds. */
  setChangedAt(changedAtMs: number): void {
    futimesSync(this.#descriptor, changedAtMs / 1000, changedAtMs / 1000)
  }

  /**
   * Makes the content durable, and closes the file.
   *
   * When that fails nobody knows what of it is on the disk, and a second flush would tell nothing:
   * Linux may have dropped the pages. The file has to be removed, and written anew.
   *
   * @throws Fault `no_space`, `broken_disk`.
   */
  async flush(): Promise<void> {
    try {
      await flushElsewhere(this.#descriptor)
    } catch (error) {
      throw asFault(error)
    } finally {
      this.close()
    }
  }

  /** Closes it as it is. */
  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    closeSync(this.#descriptor)
  }
}
