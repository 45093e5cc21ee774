/**
 * Removes ended payloads that nobody has told us to forget, MAX_AGE after their end: those without
 * a key at once, for a 2.2.3 server never tells; the others only when their server has been silent
 * for as long, too, for it may merely be away. It may come back for such a payload after all: then
 * it finds that it is lost, and its key is refused, so that its script runs at most once.
 */
import { crashPoint } from '../crash-points.ts'
import { ClockWatch } from '../domain/clock-watch.ts'
import type { Reading } from '../domain/clock-watch.ts'
import { isFullDatabase } from '../domain/errors.ts'
import { sayDuration } from '../domain/duration.ts'
import type { Payload } from '../domain/payload.ts'
import { Loop } from '../loop.ts'
import type { EndedPayloads } from '../store/payloads.ts'
import type { ClientContext } from './context.ts'
import { removeNoting } from './kill.ts'

/** Payloads of one server that are removed before the next one's turn comes. */
const batchSize = 50

/** Keys that were refused or forgotten are remembered for this long. */
const rememberKeysMs = 30 * 86_400_000

export type CleanerContext = Pick<
  ClientContext,
  'store' | 'memory' | 'smallResults' | 'files' | 'contacts' | 'drain' | 'log'
> & {
  readonly maxAgeMs: number
  readonly readClocks?: () => Reading
}

/** Wakes when the next payload may be too old, and hourly to look at the clocks. */
export class Cleaner {
  readonly #context: CleanerContext
  readonly #readClocks: () => Reading
  readonly #watch: ClockWatch
  readonly #loop: Loop

  constructor(context: CleanerContext) {
    this.#context = context
    this.#readClocks =
      context.readClocks ?? (() => ({ wallMs: Date.now(), monotonicMs: performance.now() }))
    this.#watch = new ClockWatch(context.maxAgeMs, this.#readClocks(), null)
    this.#loop = new Loop('cleaner', (signal) => this.clean(signal), context.log)
  }

  start(): void {
    this.#loop.start()
  }

  /** The payload that is being removed is removed; the others are left to the next process. */
  async stop(): Promise<void> {
    await this.#loop.stop()
  }

  /**
   * Removes what is too old, if the clock can be trusted.
   *
   * @returns after how many milliseconds to look again.
   */
  async clean(signal: AbortSignal): Promise<number> {
    const { store, log } = this.#context
    for (;;) {
      const now = this.#readClocks()
      const { restMs, warning } = this.#watch.look(now)
      if (warning !== undefined) log.warn(warning)
      if (restMs > 0) return restMs
      this.#dropRefusals(now.wallMs - rememberKeysMs)
      const groups = store
        .ended()
        .map((group) => ({ serverId: group.serverId, dueMs: this.#dueMs(group, now) }))
      let removed = 0
      for (const { serverId, dueMs } of groups) {
        if (dueMs < 0) removed += await this.#cleanOf(serverId, now, signal)
      }
      if (removed > 0 && !signal.aborted) continue
      const dues = groups.map(({ dueMs }) => dueMs)
      return this.#watch.pauseMs(dues.length === 0 ? undefined : Math.min(...dues))
    }
  }

  /** On a full disk that can wait, and what frees it comes first. */
  #dropRefusals(beforeMs: number): void {
    try {
      this.#context.memory.dropRefusals(beforeMs)
    } catch (error) {
      if (!isFullDatabase(error)) throw error
    }
  }

  /** Until the oldest of these is too old, by now; below 0 if it is. */
  #dueMs({ serverId, oldestEndedAtMs }: EndedPayloads, { wallMs }: Reading): number {
    const { maxAgeMs, contacts } = this.#context
    const oldMs = oldestEndedAtMs + maxAgeMs - wallMs
    return serverId === null ? oldMs : Math.max(oldMs, maxAgeMs - contacts.silentForMs(serverId))
  }

  /** @returns how many were removed. */
  async #cleanOf(
    serverId: string | null,
    { wallMs }: Reading,
    signal: AbortSignal,
  ): Promise<number> {
    const { store, contacts, maxAgeMs } = this.#context
    let removed = 0
    for (const payload of store.endedBefore(serverId, wallMs - maxAgeMs, batchSize)) {
      // While one was removed, the server may have come back.
      const isSilent = serverId === null || contacts.silentForMs(serverId) > maxAgeMs
      if (signal.aborted || !isSilent) break
      if (!store.find(payload.id)) continue
      await this.#remove(payload, wallMs)
      removed++
    }
    return removed
  }

  /** From the look at the contacts to here nothing is awaited: no snapshot comes in between. */
  async #remove(payload: Payload, wallMs: number): Promise<void> {
    const { memory, log, maxAgeMs } = this.#context
    const { id, origin, endedAtMs } = payload
    const age = `it ended ${sayDuration(wallMs - (endedAtMs ?? wallMs))} ago`
    const why = origin ? `${age}, and its server is silent for ${sayDuration(maxAgeMs)}` : age
    log.info({ payload: id, job: origin?.jobId }, `payload ${id} is removed: ${why}`)
    await removeNoting(this.#context, [id], () => {
      if (origin) memory.refuse(origin.key, wallMs)
      crashPoint('clean: key refused')
    })
  }
}
