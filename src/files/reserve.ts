/** A piece of a disk that is kept for when nothing else is left of it. */
import { randomFillSync } from 'node:crypto'
import { rm, stat, writeFile } from 'node:fs/promises'
import { freeBytesAt } from './free-space.ts'
import { dirname } from 'node:path'

/** Room for the journal of some hundred changes. */
const reserveBytes = 1024 * 1024
/** It is not to be what fills the disk. */
const leastFreeBytes = 16 * reserveBytes

/**
 * Whoever frees the disk has to write down what it removes before it does: on a full disk it can
 * when it gives this up first.
 */
export class Reserve {
  readonly #path: string

  /** @param path its own file. */
  constructor(path: string) {
    this.#path = path
  }

  /** Makes it, if it is not there and there is plenty of room. */
  async keep(): Promise<void> {
    try {
      if ((await stat(this.#path).catch(() => undefined))?.size === reserveBytes) return
      if (freeBytesAt(dirname(this.#path)) < leastFreeBytes) return
      // Zeros would take no room on a disk that compresses.
      await writeFile(this.#path, randomFillSync(Buffer.alloc(reserveBytes)))
    } catch {
      // It would have been of help; nothing depends on it.
      await rm(this.#path, { force: true }).catch(() => {})
    }
  }

  /** @returns whether there was one. */
  async giveUp(): Promise<boolean> {
    return rm(this.#path).then(
      () => true,
      () => false,
    )
  }
}
