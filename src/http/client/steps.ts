import type { LoadMeter } from '../../client/load.ts'
import type { ClientRoom } from '../../client/room.ts'
import type { ClientHealth } from '../../domain/protocol.ts'

/** What the routes of a client call. */
export type ClientSteps = ClientRoom & {
  readonly meter: LoadMeter
  readonly version: string
  /** How scripts are kept apart. */
  readonly isolation: ClientHealth['isolation']
  readonly headersTimeoutMs: number
  readonly bodyTimeoutMs: number
}
