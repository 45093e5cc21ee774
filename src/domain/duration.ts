/** Times as people read them. */

const units: readonly (readonly [unit: string, ms: number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
]

/** `10 d`, `1.5 h`, `2 s`: in the largest unit that it fills, with one decimal at most. */
export function sayDuration(ms: number): string {
  for (const [unit, size] of units) {
    if (ms >= size) return `${Math.round((ms / size) * 10) / 10} ${unit}`
  }
  return `${Math.round(ms)} ms`
}

/** `10 d`, `90 min`, `100 s`: in the largest unit of which it is a whole number, as it was set. */
export function sayExactDuration(ms: number): string {
  const [unit, size] = units.find(([, one]) => ms % one === 0) ?? ['ms', 1]
  return `${ms / size} ${unit}`
}
