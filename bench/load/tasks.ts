/** What the load generator can be asked for, and what it answers. */
import type { Credentials } from '../../test/harness/door.ts'

/** A job as it is sent; the script is its only file, unless there are more. */
export type Sample = {
  readonly script: string
  readonly files?: Readonly<Record<string, string>>
}

/** Many jobs of several users, so many at a time. */
type Volley = {
  readonly address: string
  readonly sample: Sample
  readonly credentials?: Credentials
  readonly count: number
  readonly atOnce: number
  readonly users: number
}

export type Tasks = {
  /** Jobs one at a time, each followed by the same script without any orchestrator. */
  readonly latency: {
    readonly ask: {
      readonly address: string
      readonly sample: Sample
      readonly credentials?: Credentials
      readonly warmUps: number
      readonly rounds: number
    }
    readonly answer: {
      readonly bareMs: readonly number[]
      readonly jobs: readonly {
        readonly id: number
        readonly sentAtMs: number
        readonly tookMs: number
      }[]
    }
  }
  /** Jobs through the whole walk, each until its result can be downloaded. */
  readonly walk: {
    readonly ask: Volley
    readonly answer: { readonly seconds: number; readonly cpuSeconds: number }
  }
  /** Uploads alone. */
  readonly uploads: {
    readonly ask: Volley
    readonly answer: {
      readonly seconds: number
      readonly cpuSeconds: number
      readonly ms: readonly number[]
      readonly ids: readonly number[]
    }
  }
  /** Uploads of one user, one every so often. */
  readonly paced: {
    readonly ask: {
      readonly address: string
      readonly sample: Sample
      readonly count: number
      readonly everyMs: number
    }
    readonly answer: { readonly ids: readonly number[] }
  }
}
