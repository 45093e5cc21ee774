/** What a bench says: rows of the table. */

/** How a value is held against what is wanted. */
export type Bar = {
  /** What has to be reached, and what is aimed at; `most` when less is better. */
  readonly most?: number
  readonly least?: number
  readonly aim: number
}

/** One row. */
export type Figure = {
  /** Unique, and the same in every run. */
  readonly name: string
  readonly value: number
  readonly unit: string
  /** What was measured beside it, and anything else that explains it. */
  readonly beside?: string
  readonly bar?: Bar
}

export type Verdict = 'aim' | 'bar' | 'MISSED' | ''

/** Whether a figure reaches what is aimed at, what has to be, or neither. */
export function judge({ value, bar }: Figure): Verdict {
  if (!bar) return ''
  const reaches = (wanted: number) => (bar.most === undefined ? value >= wanted : value <= wanted)
  if (reaches(bar.aim)) return 'aim'
  return reaches(bar.most ?? bar.least ?? bar.aim) ? 'bar' : 'MISSED'
}

/** The value below which a share of the sorted values lies. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** A number as it is read best: three digits that count. */
export function say(value: number, unit = ''): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return `${value.toFixed(digits)}${unit && ` ${unit}`}`
}
