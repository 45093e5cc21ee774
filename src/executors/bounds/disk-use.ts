/**
 * The disk that a script uses: its directories, and files that it has removed and holds open still.
 * Each file counts for a block at least, which bounds how many there are.
 *
 * A tree is walked by descriptors, not by paths: it may be deeper than a path may be long, and may
 * change meanwhile.
 */
import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  opendirSync,
  readdirSync,
  readlinkSync,
  statSync,
} from 'node:fs'
import { setImmediate } from 'node:timers/promises'

const leastBytes = 4096
const blockBytes = 512
/** So many files are looked at in one go. */
const atOnce = 200
/** A look costs a tenth of the time at most. */
const restFactor = 10
const leastRestMs = 500
/** Deeper than this, no descriptors are left for others; what is there counts as too much. */
const deepest = 500

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
    bytes += removedBytes(pids(), this.#directories)
    const tookMs = performance.now() - startMs
    this.#restUntilMs = performance.now() + Math.max(leastRestMs, restFactor * tookMs)
    return bytes
  }

  async #sum(path: string, mostBytes: number, depth: number): Promise<number> {
    if (depth > deepest) return Infinity
    let descriptor: number
    try {
      const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants
      descriptor = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
    } catch {
      return 0 // it is gone, or may not be read: its own size was counted
    }
    let bytes = 0
    try {
      const here = `/proc/self/fd/${descriptor}`
      using directory = opendirSync(here, { bufferSize: atOnce })
      for (let entry = directory.readSync(); entry; entry = directory.readSync()) {
        const inside = `${here}/${entry.name}`
        const stats = lstatSync(inside, { throwIfNoEntry: false })
        if (stats) bytes += Math.max(leastBytes, (stats.blocks * blockBytes) / stats.nlink)
        if (bytes > mostBytes) return bytes
        if (stats?.isDirectory()) bytes += await this.#sum(inside, mostBytes - bytes, depth + 1)
        if (bytes > mostBytes) return bytes
        if (++this.#seen % atOnce === 0) await setImmediate()
      }
    } finally {
      closeSync(descriptor)
    }
    return bytes
  }
}

/** Files that have no name any more, and are open in some process. */
function removedBytes(pids: readonly number[], directories: readonly string[]): number {
  const disk = statSync(directories[0] ?? '/', { throwIfNoEntry: false })?.dev
  const sizes = new Map<number, number>()
  for (const pid of pids) {
    for (const name of namesIn(`/proc/${pid}/fd`)) {
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
