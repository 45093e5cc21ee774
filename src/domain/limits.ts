/**
 * What a script may use: the kinds of limits there are, and how they are named, read and told. The
 * operator of a client, the service and the upload may each set them; the smallest counts.
 */
import { sayExactDuration } from './duration.ts'
import { sayExactBytes } from './size.ts'
import { Wrong, parseDurationMs, parseSizeBytes, parseWhole } from './units.ts'

/** Times are milliseconds. `openFiles`, `fileSize` are of each process, `output` of each log. */
export const limitNames = [
  'memoryBytes',
  'cpuTimeMs',
  'processes',
  'openFiles',
  'fileSizeBytes',
  'diskBytes',
  'outputBytes',
] as const

export type LimitName = (typeof limitNames)[number]

/** What somebody allows; absent: no limit. */
export type LimitValues = { readonly [Name in LimitName]?: number }

type Kind = {
  /** Field of an upload; in capitals the setting. */
  readonly field: string
  /** As in "ended by its ...". */
  readonly words: string
  /** What is limited, for a help text. */
  readonly what: string
  /** Name in `job.json`, with `unit` in it. */
  readonly short: string
  readonly unit: 'bytes' | 'seconds' | 'count'
  readonly parse: (text: string) => number | Wrong
}

const size = { unit: 'bytes', parse: parseSizeBytes } as const

export const limitKinds: Readonly<Record<LimitName, Kind>> = {
  memoryBytes: {
    ...size,
    field: 'max_memory',
    words: 'memory limit',
    what: 'memory of a script and of all that it starts',
    short: 'memory',
  },
  cpuTimeMs: {
    unit: 'seconds',
    parse: parseDurationMs,
    field: 'max_cpu_time',
    words: 'CPU time limit',
    what: 'CPU time of a script and of all that it starts',
    short: 'cpuTime',
  },
  processes: {
    unit: 'count',
    parse: parseWhole(1, 1_000_000),
    field: 'max_processes',
    words: 'limit of processes',
    what: 'processes and threads of a script at once',
    short: 'processes',
  },
  openFiles: {
    unit: 'count',
    parse: parseWhole(16, 1_000_000),
    field: 'max_open_files',
    words: 'limit of open files',
    what: 'files that each process of a script has open at once',
    short: 'openFiles',
  },
  fileSizeBytes: {
    ...size,
    field: 'max_file_size',
    words: 'file size limit',
    what: 'size of each file that a script writes',
    short: 'fileSize',
  },
  diskBytes: {
    ...size,
    field: 'max_disk',
    words: 'disk limit',
    what: "disk that a script's directories use; each file counts for 4 KiB at least",
    short: 'disk',
  },
  outputBytes: {
    ...size,
    field: 'max_output',
    words: 'output limit',
    what: 'size of stdout and of stderr; what is more is cut off',
    short: 'output',
  },
}

/** A limit, and who has set it. */
export type Limit = { readonly most: number; readonly of: 'client' | 'service' | 'upload' }

/** The limits that count; absent: no limit. */
export type Limits = { readonly [Name in LimitName]?: Limit }

/** The smaller ones of two; of the same ones the first. */
export function smaller(one: Limits, other: Limits): Limits {
  return fromEach((name) => {
    const [first, second] = [one[name], other[name]]
    return first && second && second.most >= first.most ? first : (second ?? first)
  })
}

/** The same, of one origin. */
export function allOf(values: LimitValues, of: Limit['of']): Limits {
  return fromEach((name) => {
    const most = values[name]
    return most === undefined ? undefined : { most, of }
  })
}

/** An object that has what there is for each limit, in their order. */
export function fromEach<T>(make: (name: LimitName) => T | undefined): {
  readonly [Name in LimitName]?: T
} {
  const pairs = limitNames.map((name) => [name, make(name)] as const)
  return Object.fromEntries(pairs.filter(([, value]) => value !== undefined))
}

/** `1 GiB`, `90 min`, `50`. */
export function sayLimit(name: LimitName, value: number): string {
  const { unit } = limitKinds[name]
  if (unit === 'bytes') return sayExactBytes(value)
  return unit === 'seconds' ? sayExactDuration(value) : String(value)
}

/** Its value in the unit that people are told it in. */
export function inUnit(name: LimitName, value: number): number {
  return limitKinds[name].unit === 'seconds' ? value / 1000 : value
}

const whose = {
  client: 'the most that its client allows',
  service: 'the most that its service allows',
  upload: (name: LimitName) => `the ${limitKinds[name].field} of its upload`,
}

/**
 * A limit in words: which one, how much, enforced by what, and whose it is.
 *
 * @param by what enforces it.
 */
export function describeLimit(name: LimitName, { most, of }: Limit, by: string): string {
  const owner = of === 'upload' ? whose.upload(name) : whose[of]
  return `${limitKinds[name].words} of ${sayLimit(name, most)} (${by}), ${owner}`
}

/** Whether a reason for which a script was ended is a limit. */
export function isLimitReason(reason: string): boolean {
  return limitNames.some((name) => reason.startsWith(`${limitKinds[name].words} of `))
}
