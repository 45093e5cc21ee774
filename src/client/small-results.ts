/**
 * Small results, which go to their servers together with the end. Most are forgotten at once then,
 * so they are not written to the disk before some time has passed.
 *
 * Until then they are as durable as the script's files: should this process end, the next one packs
 * them again; should the machine go down, the payload is lost, as one that runs would be.
 */
import { systemCode } from '../domain/errors.ts'
import type { Outcome, PayloadFiles } from '../files/payload-files.ts'
import type { Log } from '../log.ts'

/** A server that is there has forgotten it long before. */
const writeAfterMs = 1_000
/** A full disk may have room again later. */
const retryMs = 5_000

type Held = { readonly outcome: Outcome; readonly zip: Uint8Array; timer?: NodeJS.Timeout }

export class SmallResults {
  readonly #files: PayloadFiles
  readonly #log: Log
  readonly #held = new Map<number, Held>()
  readonly #writing = new Set<Promise<void>>()
  #isStopped = false

  constructor(files: PayloadFiles, log: Log) {
    this.#files = files
    this.#log = log
  }

  /** Keeps the result of a payload that has ended, until it is written or dropped. */
  hold(id: number, outcome: Outcome, zip: Uint8Array): void {
    this.#held.set(id, { outcome, zip })
    this.#writeLater(id, writeAfterMs)
  }

  /** The packed result, if it is not on the disk. */
  find(id: number): Uint8Array | undefined {
    return this.#held.get(id)?.zip
  }

  /** To be called when a payload is removed, before its files are. */
  drop(id: number): void {
    clearTimeout(this.#held.get(id)?.timer)
    this.#held.delete(id)
  }

  /** Writes all of them now; what cannot be written is left to the next process, which packs it. */
  async stop(): Promise<void> {
    this.#isStopped = true
    for (const [id, { timer }] of this.#held) {
      clearTimeout(timer)
      this.#begin(id)
    }
    await Promise.all(this.#writing)
  }

  #writeLater(id: number, afterMs: number): void {
    const held = this.#held.get(id)
    if (held && !this.#isStopped) held.timer = setTimeout(() => this.#begin(id), afterMs)
  }

  #begin(id: number): void {
    const writing = this.#write(id).finally(() => this.#writing.delete(writing))
    this.#writing.add(writing)
  }

  async #write(id: number): Promise<void> {
    const held = this.#held.get(id)
    if (!held) return
    try {
      await this.#files.writeResult(id, held.outcome, [held.zip])
      this.#held.delete(id)
    } catch (error) {
      // It was removed meanwhile, and its directory with it.
      if (!this.#held.has(id) && systemCode(error) === 'ENOENT') return
      this.#log.warn({ err: error, payload: id }, `the result of payload ${id} is in memory only`)
      this.#writeLater(id, retryMs)
    }
  }
}
