/** What a client and its spawner say to each other. */

/** Start a supervising shell; `id` names it from here on. */
export type StartMessage = {
  readonly id: number
  readonly directory: string
  readonly work: string
  readonly stdout: string
  readonly stderr: string
  readonly environment: Readonly<Record<string, string>>
}

export type Report =
  | { readonly id: number; readonly is: 'spawned'; readonly pid: number }
  /** No process could be started; `code` is the system's. */
  | { readonly id: number; readonly is: 'failed'; readonly code: string; readonly message: string }
  /** The supervising shell has started the script, in this process group. */
  | { readonly id: number; readonly is: 'group'; readonly group: number }
  /** The supervising shell has ended; `null`: by a signal. */
  | { readonly id: number; readonly is: 'exited'; readonly exitCode: number | null }

/** The first argument of a process that is a spawner. */
export const spawnerCommand = 'spawner'
