import type { LoadMeter } from '../../client/load.ts'
import type { ClientRoom } from '../../client/room.ts'

/** What the routes of a client call. */
export type ClientSteps = ClientRoom & {
  readonly meter: LoadMeter
  readonly version: string
}
