/** What a client and its spawner say to each other. */
import type { Launch } from '../isolation/isolation.ts'

/** Start a script; `id` names its supervising shell from here on. */
export type StartMessage = {
  readonly id: number
  readonly directory: string
  readonly stdout: string
  readonly stderr: string
  /** What the environments of all scripts have in common; shells are started ahead with it. */
  readonly common: Readonly<Record<string, string>>
  /** What else this one has. */
  readonly own: Readonly<Record<string, string>>
  /** How it is kept apart; absent: it is not. */
  readonly launch?: Launch | undefined
  /** What bounds it; see `supervisor`. */
  readonly bounds: string
}

export type Report =
  /** There is a shell for it; `wasAhead`: from before, so that it may be gone by now. */
  | {
      readonly id: number
      readonly is: 'spawned'
      readonly pid: number
      readonly wasAhead: boolean
    }
  /** No process could be started; `code` is the system's. */
  | { readonly id: number; readonly is: 'failed'; readonly code: string; readonly message: string }
  /** The supervising shell has started the script, in this process group. */
  | { readonly id: number; readonly is: 'group'; readonly group: number }
  /** The supervising shell has ended; `null`: by a signal. */
  | { readonly id: number; readonly is: 'exited'; readonly exitCode: number | null }

/** The first argument of a process that is a spawner. */
export const spawnerCommand = 'spawner'
