/**
 * A directory as a ZIP, streamed: memory does not grow with the size of the files, and one file is
 * open at a time. ZIP64 where it is needed.
 *
 * What is in the directory was left by a stranger's script, perhaps one that still runs. So a file
 * is opened without following links and without waiting (a FIFO would wait for ever), and is read
 * only as far as it went when it was opened.
 */
import { closeSync, createReadStream, fstatSync, readSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { Fault } from '../domain/errors.ts'
import { sayExactBytes } from '../domain/size.ts'
import { openSure } from './sure.ts'
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

/** So many entries that were left out are told one by one. */
const mostTold = 1_000

/** A log is cut there, whatever its script may write: it may be a hole of a terabyte. */
const mostLogBytes = 1024 ** 3
/** So much of each log is packed where there was no room left for any. */
const leastLogBytes = 1024 ** 2

/** How much may be packed: sizes as the files have them, holes included, and entries. */
export type PackLimits = { readonly mostBytes: number; readonly mostEntries: number }

const noLimits: PackLimits = { mostBytes: Infinity, mostEntries: Infinity }

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
 * @param limits how much may be packed.
 * @returns the ZIP, as it is asked for; whoever leaves it early stops the packing.
 * @throws errors of the system; Fault `too_large`.
 */
export function archive(
  root: string | null,
  extras: (leftOut: readonly LeftOut[]) => readonly Extra[] = () => [],
  limits: PackLimits = noLimits,
): AsyncGenerator<Uint8Array> {
  return together(new Packing(limits).run(root, extras))
}

class Packing {
  readonly #zip = new ZipWriter()
  readonly #leftOut: LeftOut[] = []
  readonly #limits: PackLimits
  #count = 0
  #bytes = 0
  #untold = 0

  constructor(limits: PackLimits) {
    this.#limits = limits
  }

  async *run(
    root: string | null,
    extras: (leftOut: readonly LeftOut[]) => readonly Extra[],
  ): AsyncGenerator<Uint8Array> {
    for await (const found of root === null ? [] : walk(root, this.#limits.mostEntries)) {
      yield* this.#add(found)
      if (++this.#count % atATime === 0) await setImmediate()
    }
    for (const extra of extras(this.#told)) {
      if ('file' in extra) yield* this.#addFile(extra.path, extra.file, 'own')
      else {
        const head = { name: extra.path, mode: 0o100644, mtime: new Date() }
        yield this.#zip.small(head, Buffer.from(extra.text))
      }
    }
    yield* this.#zip.end()
  }

  async *#add(found: Found): AsyncGenerator<Uint8Array> {
    const { path } = found
    if (found.kind === 'left out') this.#leaveOut(path, found.why)
    else if (!isPossibleName(`${entryName(path)}/`)) {
      this.#leaveOut(path, 'a ZIP cannot hold so long a name')
    } else if (found.kind === 'file') yield* this.#addFile(path, found.file, 'file')
    else if (found.kind === 'link') {
      const head = { name: entryName(path), mode: 0o120777, mtime: found.mtime }
      yield this.#zip.small(head, found.target)
    } else {
      const head = { name: `${entryName(path)}/`, mode: found.mode, mtime: found.mtime }
      yield this.#zip.small(head, Buffer.alloc(0))
    }
  }

  async *#addFile(path: string, file: string, kind: 'file' | 'own'): AsyncGenerator<Uint8Array> {
    const opened = this.#open(path, file, kind)
    if (!opened) return
    const { descriptor, sizeBytes, isCut, ...rest } = opened
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
    const notice = isCut ? cutNotice(sizeBytes) : Buffer.alloc(0)
    try {
      yield* this.#zip.large(head, followed(content, notice), sizeBytes + notice.byteLength)
    } finally {
      content.destroy() // whoever left may have done so before anything was read
    }
  }

  /** @param kind where there may be links on the way, it is not one that was found. */
  #open(path: string, file: string, kind: 'file' | 'own') {
    const opened = openSure(file, kind)
    if (typeof opened === 'string') {
      this.#leaveOut(path, opened)
      return undefined
    }
    const { descriptor } = opened
    const stats = fstatSync(descriptor)
    if (!stats.isFile()) {
      opened[Symbol.dispose]()
      this.#leaveOut(path, 'changed while it was packed')
      return undefined
    }
    const { size, mode, mtime } = stats
    const sizeBytes = kind === 'own' ? Math.min(size, this.#roomForLog) : size
    this.#bytes += sizeBytes
    if (kind === 'file' && this.#bytes > this.#limits.mostBytes) {
      opened[Symbol.dispose]()
      const most = sayExactBytes(this.#limits.mostBytes)
      throw new Fault('too_large', `its files are larger than MAX_RESULT_SIZE allows (${most})`)
    }
    const isCut = sizeBytes < size
    return { descriptor, sizeBytes, isCut, mtime, mode: mode & 0o100777 }
  }

  get #roomForLog(): number {
    const left = this.#limits.mostBytes - this.#bytes
    return Math.min(mostLogBytes, Math.max(leastLogBytes, left))
  }

  /** Only so many are told: they are held in memory. */
  #leaveOut(path: string, why: string): void {
    if (this.#leftOut.length < mostTold) this.#leftOut.push({ path, why })
    else this.#untold++
  }

  get #told(): readonly LeftOut[] {
    if (this.#untold === 0) return this.#leftOut
    return [...this.#leftOut, { path: '', why: `and ${this.#untold} more` }]
  }
}

/** Where a log was cut. */
function cutNotice(mostBytes: number): Buffer {
  const most = sayExactBytes(mostBytes)
  return Buffer.from(`\n[job-orchestrator: cut off here, as no more than ${most} is packed]\n`)
}

async function* followed(content: AsyncIterable<Uint8Array>, end: Buffer) {
  yield* content
  if (end.byteLength > 0) yield end
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
