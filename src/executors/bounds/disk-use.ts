/**
 * The disk that a script uses: its directories, and files that it has removed and holds open still.
 * Each file counts for a block at least, which bounds how many there are.
 *
 * A tree is walked by descriptors, not by paths: it may be deeper than a path may be long, and may
 * change meanwhile. What cannot be looked at counts as too much, for nobody knows what is in it.
 */
import {
  chmodSync,
  closeSync,
  constants,
  lstatSync,
  openSync,
  opendirSync,
  readdirSync,
  readlinkSync,
  statSync,
} from 'node:fs'
import type { Stats } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { systemCode } from '../../domain/errors.ts'

const leastBytes = 4096
const blockBytes = 512
/** So many files are looked at in one go. */
const atOnce = 200
/** A look costs a tenth of the time at most. */
const restFactor = 10
const leastRestMs = 500
/** Deeper than this, no descriptors are left for others; what is there counts as too much. */
const deepest = 100
/** Of one directory, so many directories are remembered before they are looked at. */
const mostRemembered = 10_000
/** open(2): nothing of it is read or written. */
const O_PATH = 0o10000000

export class DiskUse {
  readonly #directories: readonly string[]
  #restUntilMs = 0
  #seen = 0

  constructor(directories: readonly string[]) {
    this.#directories = directories
  }

  /**
   * @param pids its processes.
   * @param mostBytes more need not be counted.
   * @returns `undefined` if it was looked at just now.
   */
  async look(pids: () => readonly number[], mostBytes: number): Promise<number | undefined> {
    const startMs = performance.now()
    if (startMs < this.#restUntilMs) return undefined
    let bytes = 0
    for (const directory of this.#directories) {
      bytes += await this.#sum(directory, mostBytes - bytes, 0)
      if (bytes > mostBytes) return bytes
    }
    bytes += await removedBytes(pids(), this.#directories)
    const tookMs = performance.now() - startMs
    this.#restUntilMs = performance.now() + Math.max(leastRestMs, restFactor * tookMs)
    return bytes
  }

  async #sum(path: string | Buffer, mostBytes: number, depth: number): Promise<number> {
    if (depth > deepest) return Infinity
    const descriptor = openDirectory(path)
    if (descriptor === undefined) return 0
    if (descriptor === 'closed') return Infinity
    let bytes = 0
    try {
      const here = `/proc/self/fd/${descriptor}`
      const inside: Buffer[] = []
      const descend = async () => {
        for (const one of inside.splice(0)) {
          if (bytes <= mostBytes) bytes += await this.#sum(one, mostBytes - bytes, depth + 1)
        }
      }
      {
        // Names are bytes: they need not be UTF-8.
        const encoding = 'buffer' as BufferEncoding
        using directory = opendirSync(here, { encoding, bufferSize: atOnce })
        for (let entry = directory.readSync(); entry; entry = directory.readSync()) {
          const file = Buffer.concat([
            Buffer.from(`${here}/`),
            entry.name as unknown as Uint8Array<ArrayBuffer>,
          ])
          const stats = statsOf(file)
          if (stats === 'closed') return Infinity
          if (stats) bytes += Math.max(leastBytes, (stats.blocks * blockBytes) / stats.nlink)
          if (stats?.isDirectory()) inside.push(file)
          if (inside.length === mostRemembered) await descend()
          if (bytes > mostBytes) return bytes
          if (++this.#seen % atOnce === 0) await setImmediate()
        }
      }
      await descend()
    } finally {
      closeSync(descriptor)
    }
    return bytes
  }
}

/**
 * Opens a directory, also one that the script has closed to all, itself included: it is opened to its
 * owner again.
 *
 * @returns `undefined` if it is gone; `closed` if it is not ours to open.
 */
function openDirectory(path: string | Buffer): number | 'closed' | undefined {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants
  const flags = O_DIRECTORY | O_NOFOLLOW
  try {
    const found = openSync(path, flags | O_PATH)
    try {
      const here = `/proc/self/fd/${found}`
      const { mode } = statSync(here)
      if ((mode & 0o500) !== 0o500) chmodSync(here, mode | 0o700)
      return openSync(here, O_RDONLY | O_DIRECTORY)
    } finally {
      closeSync(found)
    }
  } catch (error) {
    return ifClosed(error)
  }
}

function statsOf(file: Buffer): Stats | 'closed' | undefined {
  try {
    return lstatSync(file)
  } catch (error) {
    return ifClosed(error)
  }
}

/** @throws the error, if it is none of what scripts make of their files. */
function ifClosed(error: unknown): 'closed' | undefined {
  switch (systemCode(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ELOOP':
      return undefined
    case 'EACCES':
    case 'EPERM':
      return 'closed'
    default:
      throw error
  }
}

/** Files that have no name any more, and are open in some process. */
async function removedBytes(
  pids: readonly number[],
  directories: readonly string[],
): Promise<number> {
  const disk = statSync(directories[0] ?? '/', { throwIfNoEntry: false })?.dev
  const sizes = new Map<number, number>()
  for (const pid of pids) {
    for (const [index, name] of namesIn(`/proc/${pid}/fd`).entries()) {
      // A script can have very many, and others wait.
      if (index % atOnce === atOnce - 1) await setImmediate()
      const file = `/proc/${pid}/fd/${name}`
      try {
        if (!readlinkSync(file).endsWith(' (deleted)')) continue
        const { dev, ino, nlink, blocks } = statSync(file)
        if (dev === disk && nlink === 0) sizes.set(ino, blocks * blockBytes)
      } catch {
        // It was closed meanwhile.
      }
    }
  }
  return [...sizes.values()].reduce((sum, one) => sum + one, 0)
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
