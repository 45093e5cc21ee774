const firstMs = 100
const longestMs = 5_000
const longestOfJobMs = 300_000

/**
 * How many milliseconds, a whole number, to wait after so many failures in a row: twice as long each time, up to five seconds,
 * with jitter of a half, so that those who failed together do not come back together.
 */
export function backOffMs(failures: number, random?: () => number): number {
  return backOff(failures, longestMs, random)
}

/** The same for a job that its client cannot take: up to five minutes, for each try is remembered. */
export function jobBackOffMs(failures: number, random?: () => number): number {
  return backOff(failures, longestOfJobMs, random)
}

function backOff(failures: number, most: number, random: () => number = Math.random): number {
  const full = Math.min(most, firstMs * 2 ** failures)
  return Math.round(full * (0.5 + random() / 2))
}
