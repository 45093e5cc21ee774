import type { LimitValues } from '../domain/limits.ts'
import type { UploadSlots } from '../domain/upload-slots.ts'
import type { Enforcement } from '../domain/usage.ts'
import type { Executor } from '../executors/executor.ts'
import type { PackLimits } from '../files/archive.ts'
import type { FreeSpace } from '../files/free-space.ts'
import type { PayloadFiles } from '../files/payload-files.ts'
import type { Log } from '../log.ts'
import type { ClientMemory } from '../store/client-memory.ts'
import type { PayloadStore } from '../store/payloads.ts'
import type { Contacts } from './contacts.ts'
import type { Drain } from './drain.ts'
import type { EventHub } from './events.ts'
import type { SandboxWatch } from './sandbox-watch.ts'
import type { SmallResults } from './small-results.ts'

/** What the steps of a payload's life work on. */
export type ClientContext = {
  readonly store: PayloadStore
  readonly memory: ClientMemory
  readonly files: PayloadFiles
  readonly smallResults: SmallResults
  readonly executor: Executor
  readonly events: EventHub
  readonly drain: Drain
  /** When servers were last in touch. */
  readonly contacts: Contacts
  /** Whether there is room for more payloads. */
  readonly space: Pick<FreeSpace, 'look' | 'demand' | 'shortage'>
  /** Whether scripts can be isolated. */
  readonly sandbox: Pick<SandboxWatch, 'trouble' | 'demand' | 'doubt'>
  readonly log: Log
  /** As which instance servers know this client; see `instance.ts`. */
  readonly instance: string
  /** Which boot of the machine this is. */
  readonly bootId: string
  /** Payloads that run at once; `null`: no limit. */
  readonly slots: number | null
  /** Most bytes in the files of one payload. */
  readonly maxPayloadBytes: number
  /** Most files of one payload. */
  readonly maxUploadFiles: number
  /** Payloads that are being received. */
  readonly uploads: UploadSlots
  /** Variables that every script gets; see `environment.ts`. */
  readonly environment: Readonly<Record<string, string>>
  /** What each script may use at most, whatever its server says. */
  readonly limits: LimitValues
  /** How much of what a script leaves is packed. */
  readonly packLimits: PackLimits
  /** By what limits are enforced here. */
  readonly enforcement: Enforcement
}
