/** What the server needs of a client. The `http` room implements it. */
import type { Readable } from 'node:stream'
import type { ClientAddress } from '../domain/job.ts'
import type { Marker } from '../domain/marker.ts'
import type { ClientEvent, SubmitOptions } from '../domain/protocol.ts'
import type { InputFile } from '../files/job-files.ts'

/** What came of a sending. */
export type SubmitAnswer =
  | { readonly is: 'accepted'; readonly payloadId: number; readonly instance: string }
  /**
   * The client surely does not have it, and may take it later. With the fault at the client, others
   * would fare no better; with the fault at the job, they are not to wait for it.
   */
  | { readonly is: 'not now'; readonly reason: string; readonly fault: 'client' | 'job' }
  /** The client will never take these files. */
  | { readonly is: 'refused'; readonly reason: string }
  /** It may have arrived: the answer was lost, or it is still being received. */
  | { readonly is: 'unknown'; readonly reason: string }

/** How far a sending is. */
export type Progress = {
  /** So much has left for the client, which may not have got it. */
  readonly leftBytes: number
  readonly isSent: boolean
}

/** How a sending can be followed and broken off. */
export type Watch = {
  readonly signal: AbortSignal
  readonly onProgress: (progress: Progress) => void
}

/**
 * Calls to clients. Each waits only so long for a connection, for the first byte and between
 * bytes, and throws a `Fault` `unreachable` then; each can be broken off by its signal.
 */
export interface ClientGateway {
  /**
   * The client's event stream: a snapshot, then changes, until the connection ends.
   *
   * @throws Fault `not_found` if the client does not know `/events`.
   */
  events(address: ClientAddress, serverId: string, signal: AbortSignal): AsyncIterable<ClientEvent>

  submit(
    address: ClientAddress,
    options: SubmitOptions,
    files: readonly InputFile[],
    watch: Watch,
  ): Promise<SubmitAnswer>

  /**
   * The ZIP of an ended payload.
   *
   * @throws Fault `conflict` if the client's disk has not kept it.
   */
  result(address: ClientAddress, key: string, signal: AbortSignal): Promise<Readable>

  /** The ZIP of a payload's work directory as it is now. */
  partial(
    address: ClientAddress,
    payloadId: number,
    key: string,
    signal: AbortSignal,
  ): Promise<Readable>

  /**
   * Ends what is held under a key, or refuses it for good.
   *
   * @returns whether there is a payload under it.
   */
  kill(address: ClientAddress, key: string, signal: AbortSignal): Promise<boolean>

  /** Ends and removes what is held under a key, and refuses it for good. */
  cancel(address: ClientAddress, key: string, signal: AbortSignal): Promise<void>

  /**
   * Tells the client that these results are stored here.
   *
   * @param keys at most `mostKeysAtOnce`.
   */
  forget(address: ClientAddress, keys: readonly string[], signal: AbortSignal): Promise<void>

  /**
   * Notes how much has passed on each connection to a client.
   *
   * @returns gives up those on which nothing has passed since; calls on them fail.
   */
  markConnections(address: ClientAddress): () => void
}

/** What came of sending to a client of version 2.2.3. */
export type OlderSubmitAnswer =
  | { readonly is: 'accepted'; readonly payloadId: number }
  | Extract<SubmitAnswer, { readonly is: 'not now' | 'refused' }>
  /** All was sent, and no answer came. */
  | { readonly is: 'unanswered'; readonly reason: string }

/** How a payload of such a client is. */
export type OlderAnswer =
  | { readonly is: 'status'; readonly status: string; readonly pid: number }
  /** It is completed, and this is the result. */
  | { readonly is: 'result'; readonly content: Readable }
  /** The client knows no such payload. */
  | { readonly is: 'missing' }

/**
 * Calls to a client of version 2.2.3, which knows ids and nothing else. They throw like those of
 * `ClientGateway`.
 */
export interface OlderGateway {
  /**
   * Its CPU use in percent.
   *
   * @throws Fault `unsupported` if what answers is no client.
   */
  load(address: ClientAddress, signal: AbortSignal): Promise<number>

  submit(
    address: ClientAddress,
    files: readonly InputFile[],
    marker: Marker,
    watch: Watch,
  ): Promise<OlderSubmitAnswer>

  ask(address: ClientAddress, payloadId: number, signal: AbortSignal): Promise<OlderAnswer>

  /**
   * Its work directory as it is now.
   *
   * @throws Fault `not_found` if the client knows no such payload.
   */
  partial(address: ClientAddress, payloadId: number, signal: AbortSignal): Promise<Readable>

  kill(address: ClientAddress, payloadId: number, signal: AbortSignal): Promise<void>
}
