/** What the fleet can be asked for, and what it answers. */
import type { Seeded } from '../seed.ts'

export type FleetTasks = {
  /** Clients, each with an address of its own. */
  readonly open: {
    readonly ask: { readonly clients: number }
    readonly answer: { readonly addresses: readonly string[] }
  }
  /** From now on these run there; to be asked for before a server comes. */
  readonly hold: {
    readonly ask: { readonly payloads: readonly Seeded[] }
    readonly answer: { readonly held: number }
  }
  /** Payloads end at a steady rate, at one client after the other. */
  readonly end: {
    readonly ask: { readonly count: number; readonly perSecond: number }
    readonly answer: {
      /** Of each, from its event until the server, which has it final, says to forget it. */
      readonly ms: readonly number[]
      readonly cpuSeconds: number
    }
  }
}
