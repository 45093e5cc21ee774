import type { Bounds } from '../executors/bounds/bounds.ts'
import type { ClientContext } from './context.ts'
import type { Runner } from './runner.ts'

/** The context together with the runner, for the steps that need both. */
export type ClientRoom = ClientContext & {
  readonly runner: Runner
  readonly receiving: Receiving
  /** What bounds scripts on this machine. */
  readonly bounds: Pick<Bounds, 'removeLeft'>
}

/** Submissions under way, by key: each can be broken off, and says when it is over. */
type Receiving = Map<string, { readonly abort: AbortController; readonly over: Promise<void> }>
