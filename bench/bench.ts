import type { Figure } from './figure.ts'
import type { Build } from './subject.ts'

/** How much is to be measured. */
export type Settings = {
  readonly build: Build
  /** Of the large file. */
  readonly sizeBytes: number
}

export type Bench = (settings: Settings) => Promise<Figure[]>

/** What a trivial job does: writes one file. */
export const trivial = { script: 'echo done > out.txt\n' } as const
