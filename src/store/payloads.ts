/**
 * What a client knows of the payloads that it holds now. It is an index in memory, so its calls
 * are synchronous: a snapshot and a subscription, or a look and a change, are one act. What must
 * survive is in the payloads' directories.
 *
 * `payloads.suite.ts` says what every implementation must do.
 */
import type { Payload, PayloadOrigin, PayloadStatus } from '../domain/payload.ts'

export type NewPayload = {
  readonly id: number
  readonly origin: PayloadOrigin | null
  readonly receivedAtMs: number
}

export type PayloadChange = Partial<
  Pick<Payload, 'message' | 'startedAtMs' | 'endedAtMs' | 'pid' | 'killReason' | 'result'>
>

/** The ended payloads of one server, or, with `null`, all those without a key. */
export type EndedPayloads = {
  readonly serverId: string | null
  /** When the first of them ended. */
  readonly oldestEndedAtMs: number
}

export interface PayloadStore extends Disposable {
  check(): void

  /** Adds a payload as `Prepared`. */
  insert(payload: NewPayload): Payload

  find(id: number): Payload | undefined
  findByKey(key: string): Payload | undefined

  /** The prepared payload that came first and is not to be killed. */
  nextPrepared(): Payload | undefined

  /** Payloads with keys of one server. */
  ofServer(serverId: string): Payload[]

  /** Whose payloads have ended. */
  ended(): EndedPayloads[]

  /** Payloads that ended before this, those that did so first; whose, as in `EndedPayloads`. */
  endedBefore(serverId: string | null, beforeMs: number, limit: number): Payload[]

  /** How many have not ended, and how many of those are running. */
  count(): { readonly active: number; readonly running: number }

  /** How many have ended: those with a key, which their servers fetch and forget, and others. */
  countEnded(): { readonly unfetched: number; readonly kept: number }

  /**
   * One conditional step, or a mark where `from` and `to` are the same.
   *
   * @returns the payload after it, or `undefined` if it was not in status `from`.
   */
  change(
    id: number,
    from: PayloadStatus,
    to: PayloadStatus,
    change: PayloadChange,
  ): Payload | undefined

  remove(id: number): void
}
