/** Where a payload runs: the contract that every executor keeps. */
import type { Exit } from '../domain/payload.ts'
import type { Limits } from '../domain/limits.ts'
import type { PayloadPaths } from '../files/payload-files.ts'
import type { PayloadBounds } from './bounds/payload-bounds.ts'

export type Task = {
  /** The payload's. */
  readonly id: number
  /** `null`: a 2.2.3 server does not say. */
  readonly service: string | null
  readonly paths: PayloadPaths
  /** Variables that all scripts have. */
  readonly common: Readonly<Record<string, string>>
  /** What else is in the script's environment. */
  readonly own: Readonly<Record<string, string>>
  /** What it may use. */
  readonly limits: Limits
}

/** A script that runs. */
export interface Execution {
  /** Process id of its supervising shell. */
  readonly pid: number

  /**
   * How it ended; `lost` if its supervising shell vanished without a word. When it resolves,
   * nothing is left of what the script started.
   */
  readonly ended: Promise<Exit | 'lost'>

  /**
   * How long it has run, by a clock that nobody can set and that goes on while the machine is
   * suspended; `undefined` if it has ended.
   */
  ranMs(): Promise<number | undefined>

  /**
   * Ends it: politely, then not. The first reason wins; once it has ended this does nothing.
   *
   * @param isUrgent it is not asked politely.
   */
  kill(reason: string, isUrgent?: boolean): void

  /** What bounds it. */
  readonly bounds: PayloadBounds
}

export interface Executor {
  /**
   * Starts `run.sh` of a payload; its start record makes sure that it starts at most once.
   *
   * @throws when no process can be started; nothing has run then.
   */
  start(task: Task): Promise<Execution>

  /**
   * Makes sure that `run.sh` never starts, not even by what an earlier process of ours has begun.
   *
   * @returns `false` if it was started before.
   * @throws when that cannot be noted on the disk.
   */
  prevent(task: Task): Promise<boolean>

  /**
   * Takes back a script that an earlier process of ours started.
   *
   * @returns `undefined` if it was never started.
   */
  adopt(task: Task): Promise<Execution | undefined>
}
