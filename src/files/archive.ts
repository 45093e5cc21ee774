/**
 * A directory as a ZIP, streamed: memory does not grow with the size of the files, and one file is
 * open at a time. ZIP64 where it is needed.
 *
 * What is in the directory was left by a stranger's script, perhaps one that still runs. So a file
 * is opened without following links and without waiting (a FIFO would wait for ever), and is read
 * only as far as it went when it was opened.
 */
import { closeSync, constants, createReadStream, fstatSync, openSync, readSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { systemCode } from '../domain/errors.ts'
import { together } from './together.ts'
import { walk } from './walk.ts'
import type { Found, LeftOut } from './walk.ts'
import { isPossibleName } from './zip/records.ts'
import { ZipWriter } from './zip/zip-writer.ts'

/** Files up to this size are read whole: setting up streams costs more than packing them. */
const smallFileBytes = 64 * 1024
const readBytes = 256 * 1024
/** So many files are packed before somebody else may do something. */
const atATime = 64

/** A ZIP to send; `sizeBytes` where it is known. */
export type Zip = {
  readonly content: Readable | Uint8Array | AsyncIterable<Uint8Array>
  readonly sizeBytes?: number
}

/** A file that is put into the archive beside what is in the directory. */
export type Extra =
  | { readonly path: string; readonly file: string }
  | { readonly path: string; readonly text: string }

/**
 * Packs a directory.
 *
 * @param root `null`: nothing but the extras.
 * @param extras what else goes in, made when all else is packed, from the list of what was left out.
 * @returns the ZIP, as it is asked for; whoever leaves it early stops the packing.
 * @throws errors of the system.
 */
export function archive(
  root: string | null,
  extras: (leftOut: readonly LeftOut[]) => readonly Extra[] = () => [],
): AsyncGenerator<Uint8Array> {
  return together(new Packing().run(root, extras))
}

class Packing {
  readonly #zip = new ZipWriter()
  readonly #leftOut: LeftOut[] = []
  #count = 0

  async *run(
    root: string | null,
    extras: (leftOut: readonly LeftOut[]) => readonly Extra[],
  ): AsyncGenerator<Uint8Array> {
    for await (const found of root === null ? [] : walk(root)) {
      yield* this.#add(found)
      if (++this.#count % atATime === 0) await setImmediate()
    }
    for (const extra of extras(this.#leftOut)) {
      if ('file' in extra) yield* this.#addFile(extra.path, extra.file)
      else {
        const head = { name: extra.path, mode: 0o100644, mtime: new Date() }
        yield this.#zip.small(head, Buffer.from(extra.text))
      }
    }
    yield* this.#zip.end()
  }

  async *#add(found: Found): AsyncGenerator<Uint8Array> {
    const { path } = found
    if (found.kind === 'left out') this.#leftOut.push({ path, why: found.why })
    else if (!isPossibleName(`${entryName(path)}/`)) {
      this.#leftOut.push({ path, why: 'a ZIP cannot hold so long a name' })
    } else if (found.kind === 'file') yield* this.#addFile(path, found.file)
    else if (found.kind === 'link') {
      const head = { name: entryName(path), mode: 0o120777, mtime: found.mtime }
      yield this.#zip.small(head, found.target)
    } else {
      const head = { name: `${entryName(path)}/`, mode: found.mode, mtime: found.mtime }
      yield this.#zip.small(head, Buffer.alloc(0))
    }
  }

  async *#addFile(path: string, file: string): AsyncGenerator<Uint8Array> {
    const opened = this.#open(path, file)
    if (!opened) return
    const { descriptor, sizeBytes, ...rest } = opened
    const head = { name: entryName(path), ...rest }
    if (sizeBytes <= smallFileBytes) {
      yield this.#zip.small(head, readWhole(descriptor, sizeBytes))
      return
    }
    const content = createReadStream(file, {
      fd: descriptor,
      start: 0,
      end: sizeBytes - 1,
      highWaterMark: readBytes,
    })
    try {
      yield* this.#zip.large(head, content, sizeBytes)
    } finally {
      content.destroy() // whoever left may have done so before anything was read
    }
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
    const { size: sizeBytes, mode, mtime } = stats
    return { descriptor, sizeBytes, mtime, mode: mode & 0o100777 }
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

/** `C:x` looks like a path on another system's drive. */
export function entryName(path: string): string {
  return /^[A-Za-z]:/.test(path) ? `./${path}` : path
}
