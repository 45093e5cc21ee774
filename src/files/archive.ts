/**
 * A directory as a ZIP, streamed: memory does not grow with the size of the files, and one file is
 * open at a time. ZIP64 where it is needed.
 *
 * What is in the directory was left by a stranger's script, perhaps one that still runs. So a file
 * is opened without following links and without waiting (a FIFO would wait for ever), and is read
 * only as far as it went when it was opened.
 */
import { closeSync, constants, createReadStream, fstatSync, openSync, readSync } from 'node:fs'
import { finished } from 'node:stream/promises'
import { setImmediate } from 'node:timers/promises'
import type { PassThrough, Readable } from 'node:stream'
import { ZipFile } from 'yazl'
import { messageOf, systemCode } from '../domain/errors.ts'
import { walk } from './walk.ts'
import type { Found, LeftOut } from './walk.ts'

/** Level 6 is a tenth slower and hardly smaller; below this size nothing is worth the trouble. */
const compressionLevel = (sizeBytes: number) => (sizeBytes < 1024 ? 0 : 1)

/** Files up to this size are read whole: setting up streams costs more than packing them. */
const smallFileBytes = 64 * 1024
/** So much of them may wait in memory. */
const mostBufferedBytes = 1024 * 1024
const readBytes = 64 * 1024
/** So many files are packed before somebody else may do something. */
const atATime = 64

/** A ZIP to send; `sizeBytes` where it is known. */
export type Zip = { readonly content: Readable | Uint8Array; readonly sizeBytes?: number }

/** A file that is put into the archive beside what is in the directory. */
export type Extra =
  | { readonly path: string; readonly file: string }
  | { readonly path: string; readonly text: string }

/**
 * Packs a directory.
 *
 * @param root `null`: nothing but the extras.
 * @param extras what else goes in, made when all else is packed, from the list of what was left out.
 * @returns the ZIP. When the reader destroys it, packing stops; when packing fails, it is destroyed
 *   with the error.
 */
export function archive(
  root: string | null,
  extras: (leftOut: readonly LeftOut[]) => readonly Extra[] = () => [],
): Readable {
  const zip = new ZipFile()
  // yazl types it as the least that a stream can be; it makes a PassThrough.
  const output = zip.outputStream as PassThrough
  zip.on('error', (error) => output.destroy(error instanceof Error ? error : undefined))
  const packing = new Packing(zip, output)
  // Whoever reads it is told; nobody may be there yet.
  output.on('error', () => {})
  packing.run(root, extras).catch((error: unknown) => {
    output.destroy(error instanceof Error ? error : new Error(String(error)))
  })
  return output
}

class Packing {
  readonly #zip: ZipFile
  readonly #output: Readable
  readonly #leftOut: LeftOut[] = []
  #bufferedBytes = 0
  #count = 0

  constructor(zip: ZipFile, output: Readable) {
    this.#zip = zip
    this.#output = output
  }

  async run(
    root: string | null,
    extras: (leftOut: readonly LeftOut[]) => readonly Extra[],
  ): Promise<void> {
    for await (const found of root === null ? [] : walk(root)) {
      if (this.#output.destroyed) return
      await this.#add(found)
    }
    for (const extra of extras(this.#leftOut)) {
      if (this.#output.destroyed) return
      if ('text' in extra) {
        const content = Buffer.from(extra.text)
        const level = compressionLevel(content.byteLength)
        this.#zip.addBuffer(content, extra.path, { compressionLevel: level })
      } else {
        await this.#addFile(extra.path, extra.file)
      }
    }
    this.#zip.end()
  }

  async #add(found: Found): Promise<void> {
    try {
      await this.#addUnchecked(found)
    } catch (error) {
      if (systemCode(error) !== undefined) throw error
      // yazl refuses some entries; one is not to spoil the others.
      this.#leftOut.push({ path: found.path, why: messageOf(error) })
    }
  }

  async #addUnchecked(found: Found): Promise<void> {
    switch (found.kind) {
      case 'file':
        return this.#addFile(found.path, found.file)
      case 'empty directory':
        return this.#zip.addEmptyDirectory(entryName(found.path), {
          mtime: entryTime(found.mtime),
          mode: found.mode,
        })
      case 'link':
        return this.#zip.addBuffer(found.target, entryName(found.path), {
          mtime: entryTime(found.mtime),
          mode: 0o120777,
          compressionLevel: 0,
        })
      case 'left out':
        this.#leftOut.push({ path: found.path, why: found.why })
    }
  }

  async #addFile(path: string, file: string): Promise<void> {
    if (++this.#count % atATime === 0) await setImmediate()
    const opened = this.#open(path, file)
    if (!opened) return
    const { descriptor, sizeBytes, ...options } = opened
    if (sizeBytes <= smallFileBytes && this.#bufferedBytes <= mostBufferedBytes) {
      const content = readWhole(descriptor, sizeBytes)
      this.#bufferedBytes += content.byteLength
      this.#zip.addBuffer(content, entryName(path), options)
      return
    }
    const stream = createReadStream(file, {
      fd: descriptor,
      start: 0,
      end: Math.max(0, sizeBytes - 1),
      highWaterMark: readBytes,
    })
    const abandon = () => stream.destroy()
    this.#output.once('close', abandon)
    if (this.#output.destroyed) abandon()
    this.#zip.addReadStream(stream, entryName(path), options)
    // When it was read, all that came before it was written.
    await finished(stream).catch((error: unknown) => {
      if (!this.#output.destroyed) throw error
    })
    this.#output.off('close', abandon)
    this.#bufferedBytes = 0
  }

  #open(path: string, file: string) {
    const leaveOut = (why: string) => void this.#leftOut.push({ path, why })
    let descriptor: number
    try {
      const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants
      descriptor = openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    } catch (error) {
      const code = systemCode(error)
      if (code === 'ENOENT') return leaveOut('vanished while it was packed')
      if (code === 'ELOOP') return leaveOut('changed while it was packed')
      if (code === 'EACCES' || code === 'ENXIO' || code === 'ENAMETOOLONG')
        return leaveOut(`cannot be read (${code})`)
      throw error
    }
    const stats = fstatSync(descriptor)
    if (!stats.isFile()) {
      closeSync(descriptor)
      return leaveOut('changed while it was packed')
    }
    const { size: sizeBytes, mode } = stats
    const level = compressionLevel(sizeBytes)
    const mtime = entryTime(stats.mtime)
    return { descriptor, sizeBytes, mtime, mode: mode & 0o100777, compressionLevel: level }
  }
}

/** As much of a file as there was when it was opened, or as is left of that; closes it. */
function readWhole(descriptor: number, sizeBytes: number): Buffer {
  try {
    const content = Buffer.allocUnsafe(sizeBytes)
    return content.subarray(0, readSync(descriptor, content, 0, sizeBytes, 0))
  } finally {
    closeSync(descriptor)
  }
}

/** Before this a ZIP knows no time, and yazl fails on what is before 1970. */
const earliest = new Date(Date.UTC(1980, 0, 2))

function entryTime(mtime: Date): Date {
  return mtime < earliest ? earliest : mtime
}

/** `C:x` looks like a path on another system's drive. */
export function entryName(path: string): string {
  return /^[A-Za-z]:/.test(path) ? `./${path}` : path
}
