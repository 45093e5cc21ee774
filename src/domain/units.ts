/**
 * Numbers with units, as people write them. Each parser returns the value, or a `Wrong` that says
 * what would have been right; it never throws, so that all faults can be told at once.
 */

export class Wrong {
  readonly expected: string
  constructor(expected: string) {
    this.expected = expected
  }
}

const bytesPerUnit: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1024,
  kb: 1000,
  kib: 1024,
  m: 1024 ** 2,
  mb: 1000 ** 2,
  mib: 1024 ** 2,
  g: 1024 ** 3,
  gb: 1000 ** 3,
  gib: 1024 ** 3,
  t: 1024 ** 4,
  tb: 1000 ** 4,
  tib: 1024 ** 4,
}

const millisecondsPerUnit: Readonly<Record<string, number>> = {
  '': 1000,
  ms: 1,
  s: 1000,
  sec: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

function withUnit(
  text: string,
  units: Readonly<Record<string, number>>,
  expected: string,
): number | Wrong {
  const match = /^(\d+(?:\.\d+)?) ?([a-z]*)$/i.exec(text)
  const unit = units[match?.[2]?.toLowerCase() ?? '']
  if (!match || unit === undefined) return new Wrong(expected)
  const value = Math.round(Number(match[1]) * unit)
  return Number.isSafeInteger(value) && value > 0 ? value : new Wrong(expected)
}

/** `400MiB`, `2GB`, `1024`: bytes, more than 0. A bare number is bytes. */
export function parseSizeBytes(text: string): number | Wrong {
  return withUnit(text, bytesPerUnit, 'a size such as 400MiB, 2GB or a number of bytes')
}

/** The same, and `0`. */
export function parseSizeOrZeroBytes(text: string): number | Wrong {
  const value = text === '0' ? 0 : parseSizeBytes(text)
  return value instanceof Wrong ? new Wrong('a size such as 1GiB, 500MB or 0') : value
}

/** `10d`, `5min`, `500ms`, `60`: milliseconds, more than 0. A bare number is seconds. */
export function parseDurationMs(text: string): number | Wrong {
  return withUnit(text, millisecondsPerUnit, 'a time such as 10d, 5min, 500ms or seconds')
}

const dayMs = 86_400_000

/** A time that somebody waits: a day at most. */
export function parseShortDurationMs(text: string): number | Wrong {
  const value = parseDurationMs(text)
  if (value instanceof Wrong || value <= dayMs) return value
  return new Wrong('a time of at most a day, such as 5s')
}

/** A whole number within bounds, both included. */
export function parseWhole(least: number, most: number): (text: string) => number | Wrong {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
    return value >= least && value <= most
      ? value
      : new Wrong(`a whole number from ${least} to ${most}`)
  }
}

export function parseHttpUrl(text: string): string | Wrong {
  const url = URL.parse(text)
  if (url?.protocol === 'http:' || url?.protocol === 'https:') {
    if (url.username === '' && url.hash === '' && url.search === '') return url.href
  }
  return new Wrong('an address such as http://node1:9000/submit')
}
