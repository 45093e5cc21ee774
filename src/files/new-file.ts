/**
 * A file that is being written.
 *
 * What the system does in its memory, such as opening a file or taking a small piece of it, is done
 * at once: to hand it to another thread costs ten times as much as the work. Only what waits for
 * the disk, and what is large, is handed over.
 */
import { closeSync, fdatasync, futimesSync, openSync, writeSync, writev } from 'node:fs'
import { promisify } from 'node:util'
import { asFault } from '../domain/errors.ts'
import { spend } from './spent.ts'

const writeElsewhere = promisify(writev)
const flushElsewhere = promisify(fdatasync)

/** So much of a file is written at once. */
const smallBytes = 64 * 1024
/** So much of it may wait to be written while more comes. */
const mostWaitingBytes = 1024 * 1024
/** So much of it is brought to the disk while more comes; the system itself would begin at gigabytes. */
const flushEveryBytes = 64 * 1024 * 1024

type Opening = {
  readonly mustBeNew?: boolean
  readonly isFlushed?: boolean
  readonly mode?: number
}

export class NewFile {
  readonly #descriptor: number
  #sizeBytes = 0
  #isOpen = true
  /** What has come while something was being written elsewhere. */
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #writing: Promise<void> | undefined
  readonly #isFlushed: boolean
  /** As far as this it is on the disk, or on its way there. */
  #flushedBytes = 0
  #flushing: Promise<void> | undefined
  #fault: unknown

  private constructor(descriptor: number, isFlushed: boolean) {
    this.#descriptor = descriptor
    this.#isFlushed = isFlushed
  }

  /**
   * Opens one to be written from its beginning.
   *
   * @param options `mustBeNew`: it must not be there yet. `isFlushed`: it will be made durable, so
   *   that a large one is begun with early.
   * @throws an error of the system.
   */
  static open(
    path: string,
    { mustBeNew = false, isFlushed = true, mode = 0o644 }: Opening = {},
  ): NewFile {
    return new NewFile(openSync(path, mustBeNew ? 'wx' : 'w', mode), isFlushed)
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /**
   * Takes a piece, and may write it later; it must not be changed any more.
   *
   * @throws an error of the system, perhaps of an earlier piece; some of it may be written then.
   */
  async write(piece: Uint8Array): Promise<void> {
    if (this.#fault !== undefined) throw this.#fault
    this.#sizeBytes += piece.byteLength
    if (this.#sizeBytes <= smallBytes) return this.#writeNow(piece)
    this.#waiting.push(piece)
    this.#waitingBytes += piece.byteLength
    this.#writing ??= this.#writeOn()
    spend(piece.byteLength)
    if (this.#waitingBytes >= mostWaitingBytes) await this.written()
  }

  #writeNow(piece: Uint8Array): void {
    for (let at = 0; at < piece.byteLength;) at += writeSync(this.#descriptor, piece, at)
  }

  /** Writes what waits, and what comes meanwhile. */
  async #writeOn(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const pieces = this.#waiting
        const sizeBytes = this.#waitingBytes
        this.#waiting = []
        this.#waitingBytes = 0
        const { bytesWritten } = await writeElsewhere(this.#descriptor, pieces)
        // A disk that becomes full takes a part of it, and says why when it is given the rest.
        if (bytesWritten < sizeBytes) this.#writeNow(Buffer.concat(pieces).subarray(bytesWritten))
        if (this.#isFlushed) this.#flushBehind()
      }
    } catch (error) {
      this.#fault = error
    } finally {
      this.#writing = undefined
    }
  }

  /** Has what is written brought to the disk, if it is much. */
  #flushBehind(): void {
    const writtenBytes = this.#sizeBytes - this.#waitingBytes
    if (this.#flushing || writtenBytes - this.#flushedBytes < flushEveryBytes) return
    this.#flushedBytes = writtenBytes
    this.#flushing = flushElsewhere(this.#descriptor)
      .catch((error: unknown) => (this.#fault ??= error))
      .then(() => (this.#flushing = undefined))
  }

  /**
   * Waits until all that it has taken is written.
   *
   * @throws an error of the system.
   */
  async written(): Promise<void> {
    await this.#writing
    if (this.#fault !== undefined) throw this.#fault
  }

  /** Sets when it was changed last, in milliseconds: the last thing before it is flushed. */
  async setChangedAt(changedAtMs: number): Promise<void> {
    await this.written()
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
      await this.written()
      // What this one could not bring to the disk, another one would not tell of.
      await this.#flushing
      if (this.#fault !== undefined) throw this.#fault
      await flushElsewhere(this.#descriptor)
    } catch (error) {
      throw asFault(error)
    } finally {
      this.close()
    }
  }

  /** Closes it as it is, when nothing is done with it any more: another file may get its number. */
  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    const underWay = this.#writing ?? this.#flushing
    if (!underWay) return closeSync(this.#descriptor)
    // What is written last may be flushed after it.
    void underWay.then(() => this.#flushing).then(() => closeSync(this.#descriptor))
  }
}
