import type { ClientAddress } from '../domain/job.ts'
import type { LostEvent, PayloadEvent, SnapshotEvent } from '../domain/protocol.ts'

/** Who acts on what a client tells. */
export type ClientListener = {
  /**
   * @param expected keys that the store held as accepted by this client before the stream was asked
   *   for: only of these is absence from the snapshot a loss.
   */
  onSnapshot(address: ClientAddress, snapshot: SnapshotEvent, expected: ReadonlySet<string>): void
  onPayload(address: ClientAddress, event: PayloadEvent): void
  onLost(address: ClientAddress, event: LostEvent): void
  /** A call to a client has failed: it may have been silent for long now. */
  onSilent(): void
  /** A client can take a job that could not before. */
  onFree(): void
}
