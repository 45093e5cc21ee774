import type { Rule, World } from './world.ts'

/** One step that may be taken now. */
export type Action = {
  readonly name: string
  /** Takes it; called with a copy of the world that it was offered for. */
  readonly run: (world: World) => void
}

/** Which rules hold. */
export type Rules = { readonly lacks: (rule: Rule) => boolean }
