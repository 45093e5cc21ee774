/** Looks how much room is left on the disks that a program writes to. */
import { statfsSync } from 'node:fs'
import { Fault } from '../domain/errors.ts'
import { findShortage } from '../domain/free-space.ts'

/** What fills and empties a disk tells nobody. A look costs some microseconds. */
const lookEveryMs = 2_000

/** Where something is written; the name is that of its setting. */
export type Place = { readonly name: string; readonly directory: string }

/** How many bytes this user could still write to the disk of a directory. */
export function freeBytesAt(directory: string): number {
  const { bavail, bsize } = statfsSync(directory)
  return bavail * bsize
}

/** Where it cannot be asked, whoever writes there will hear why. */
function freeBytesIfKnown(directory: string): number {
  try {
    return freeBytesAt(directory)
  } catch {
    return Infinity
  }
}

/** So little is as good as nothing: a script that met the end of the disk leaves some of it. */
const fullBytes = 256 * 1024

/** Whether nothing more can be written to the disk of a directory, be it for want of inodes. */
export function isFullAt(directory: string): boolean {
  try {
    const { files, ffree, bavail, bsize } = statfsSync(directory)
    // Some file systems have no table of inodes that could be full.
    return (files > 0 && ffree === 0) || bavail * bsize < fullBytes
  } catch {
    return false
  }
}

/** Whether there is as much room as the operator wants to be left. */
export class FreeSpace implements Disposable {
  readonly #places: readonly Place[]
  readonly #leastBytes: number
  readonly #onChange: (shortage: string | undefined) => void
  readonly #timer: NodeJS.Timeout | undefined
  #shortage: string | undefined

  /**
   * @param leastBytes MIN_FREE_SPACE; 0: it is never looked.
   * @param onChange called when a shortage begins, with what there is to say, and when it ends.
   */
  constructor(
    places: readonly Place[],
    leastBytes: number,
    onChange: (shortage: string | undefined) => void,
  ) {
    this.#places = places
    this.#leastBytes = leastBytes
    this.#onChange = onChange
    if (leastBytes > 0) this.#timer = setInterval(() => this.look(), lookEveryMs)
  }

  /** Which disk had too little left when it was last looked at; `undefined`: none. */
  get shortage(): string | undefined {
    return this.#shortage
  }

  /** Looks now. */
  look(): string | undefined {
    if (this.#leastBytes === 0) return undefined
    const disks = this.#places.map(({ name, directory }) => ({
      name,
      freeBytes: freeBytesIfKnown(directory),
    }))
    const before = this.#shortage
    this.#shortage = findShortage(disks, this.#leastBytes)
    // How much is left changes all the time, and is no news.
    const isNews = (before === undefined) !== (this.#shortage === undefined)
    if (isNews) this.#onChange(this.#shortage)
    return this.#shortage
  }

  /** @throws Fault `no_space` if there is too little left now. */
  demand(): void {
    const shortage = this.look()
    if (shortage !== undefined) throw new Fault('no_space', shortage)
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}
