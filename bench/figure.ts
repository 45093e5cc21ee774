/** One row of the table. */
export type Figure = {
  readonly name: string
  readonly value: string
  /** What was measured beside it. */
  readonly beside?: string
  /** What is wanted. */
  readonly bar?: string
  readonly holds?: boolean
}

/** The value below which a share of the sorted values lies. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export function ms(value: number): string {
  return `${value.toFixed(1)} ms`
}
