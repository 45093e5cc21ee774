/** Services come by environment only: `SERVICE_<NAME>_UPLOAD_URL` and its companions. */
import type { ClientAddress } from '../domain/job.ts'
import { fromEach, limitKinds, limitNames } from '../domain/limits.ts'
import type { LimitValues } from '../domain/limits.ts'
import type { Quota } from '../domain/quota.ts'
import { Wrong, parseDurationMs, parseHttpUrl, parseWhole } from '../domain/units.ts'

export type ServiceConfig = {
  /** Lower case. */
  readonly name: string
  readonly clients: readonly ClientAddress[]
  readonly quota: Quota
  /** Longest time that a script may run; `null`: as long as it wants. */
  readonly maxRuntimeMs: number | null
  /** What a script may use at most. */
  readonly limits: LimitValues
  /** Most jobs of one user that wait; `null`: any number. */
  readonly maxQueuedPerUser: number | null
}

const suffixes = [
  'UPLOAD_URL',
  'DOWNLOAD_URL',
  'TERMINATE_URL',
  'RUNS_PER_USER',
  'MAX_RUNS',
  'MAX_RUNTIME',
  'MAX_QUEUED_PER_USER',
] as const
type Suffix = (typeof suffixes)[number]

/** As `MAX_MEMORY`. */
const limitSuffixes = limitNames.map((name) => limitKinds[name].field.toUpperCase())
const allSuffixes: readonly string[] = [...suffixes, ...limitSuffixes]
const parseCount = parseWhole(1, 1_000_000)

const defaultQuota: Quota = { runsPerUser: 5, maxRuns: 10 }

/** The service there is when none is configured: a client on this machine as it is by default. */
const exampleUploadUrl = 'http://127.0.0.1:9000/submit'

type Environment = Readonly<Record<string, string | undefined>>
type Raw = Partial<Record<Suffix, string>> & Readonly<Record<string, string>>

/**
 * Reads the services.
 *
 * @param faults gets a line for everything that is wrong.
 * @param warnings gets a line for what looks like a slip but does no harm.
 */
export function readServices(
  environment: Environment,
  faults: string[],
  warnings: string[],
): ServiceConfig[] {
  const found = collect(environment, faults, warnings)
  if (found.size === 0) {
    warnings.push(
      `no service is configured: using "example" at ${exampleUploadUrl} ` +
        '(set SERVICE_<NAME>_UPLOAD_URL to have your own)',
    )
    const clients = [besides(exampleUploadUrl)]
    const none = { maxRuntimeMs: null, maxQueuedPerUser: null, limits: {} }
    return [{ name: 'example', clients, quota: defaultQuota, ...none }]
  }
  return [...found].map(([name, raw]) => ({
    name: name.toLowerCase(),
    clients: readClients(name, raw, faults),
    quota: readQuota(name, raw, faults),
    maxRuntimeMs: readLimit('MAX_RUNTIME', parseDurationMs, name, raw, faults),
    maxQueuedPerUser: readLimit('MAX_QUEUED_PER_USER', parseCount, name, raw, faults),
    limits: readLimits(name, raw, faults),
  }))
}

function collect(environment: Environment, faults: string[], warnings: string[]): Map<string, Raw> {
  const found = new Map<string, Raw>()
  const variables = new Map<string, string>()
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith('SERVICE_') || text === undefined || text === '') continue
    const suffix = allSuffixes.find((known) => variable.endsWith(`_${known}`))
    const name = suffix && variable.slice('SERVICE_'.length, -suffix.length - 1).toUpperCase()
    if (suffix && name) {
      const other = variables.get(`${name}_${suffix}`)
      if (other !== undefined) faults.push(`${other} and ${variable} are the same setting`)
      variables.set(`${name}_${suffix}`, variable)
      found.set(name, { ...found.get(name), [suffix]: text })
    } else {
      warnings.push(
        `${variable} is ignored: expected SERVICE_<NAME>_ and one of ${allSuffixes.join(', ')}`,
      )
    }
  }
  return found
}

function readClients(name: string, raw: Raw, faults: string[]): ClientAddress[] {
  const uploads = readUrls(`SERVICE_${name}_UPLOAD_URL`, raw.UPLOAD_URL, faults)
  if (!uploads) {
    if (raw.UPLOAD_URL === undefined) {
      faults.push(`service ${name.toLowerCase()} has no SERVICE_${name}_UPLOAD_URL`)
    }
    return []
  }
  const others = (['DOWNLOAD_URL', 'TERMINATE_URL'] as const).map((suffix) => {
    const variable = `SERVICE_${name}_${suffix}`
    const urls = readUrls(variable, raw[suffix], faults)
    if (urls && urls.length !== uploads.length) {
      faults.push(
        `${variable} lists ${urls.length} where SERVICE_${name}_UPLOAD_URL lists ` +
          `${uploads.length}; they pair by position`,
      )
    }
    return urls
  })
  return uploads.flatMap((uploadUrl, index) => {
    if (uploadUrl === undefined) return []
    const usual = besides(uploadUrl)
    return {
      uploadUrl,
      downloadUrl: others[0]?.[index] ?? usual.downloadUrl,
      terminateUrl: others[1]?.[index] ?? usual.terminateUrl,
    }
  })
}

/** An address without a path is the client itself, where `/submit` is meant. */
function withSubmit(url: string): string {
  return new URL(url).pathname === '/' ? new URL('/submit', url).href : url
}

/** `undefined` stands in the place of an address that is wrong, so that the others keep theirs. */
function readUrls(
  variable: string,
  text: string | undefined,
  faults: string[],
): (string | undefined)[] | undefined {
  if (text === undefined) return undefined
  const urls = text.split(',').map((piece) => {
    const part = piece.trim()
    const url = parseHttpUrl(part)
    if (!(url instanceof Wrong)) {
      return variable.endsWith('_UPLOAD_URL') ? withSubmit(url) : url.replace(/\/$/, '')
    }
    faults.push(`${variable}: expected ${url.expected}, got "${part}"`)
    return undefined
  })
  const twice = urls.find((url, index) => url !== undefined && urls.indexOf(url) !== index)
  if (twice !== undefined) faults.push(`${variable} lists ${twice} twice`)
  return urls
}

function besides(uploadUrl: string): ClientAddress {
  return {
    uploadUrl,
    downloadUrl: new URL('retrieve', uploadUrl).href,
    terminateUrl: new URL('kill', uploadUrl).href,
  }
}

function readQuota(name: string, raw: Raw, faults: string[]): Quota {
  const read = (suffix: 'RUNS_PER_USER' | 'MAX_RUNS', fallback: number): number => {
    const text = raw[suffix]
    if (text === undefined) return fallback
    const value = parseCount(text)
    if (!(value instanceof Wrong)) return value
    faults.push(`SERVICE_${name}_${suffix}: expected ${value.expected}, got "${text}"`)
    return fallback
  }
  return {
    runsPerUser: read('RUNS_PER_USER', defaultQuota.runsPerUser),
    maxRuns: read('MAX_RUNS', defaultQuota.maxRuns),
  }
}

/** One that may be left out: then there is no limit. */
function readLimit(
  suffix: Suffix,
  parse: (text: string) => number | Wrong,
  name: string,
  raw: Raw,
  faults: string[],
): number | null {
  const text = raw[suffix]
  if (text === undefined) return null
  const value = parse(text)
  if (!(value instanceof Wrong)) return value
  faults.push(`SERVICE_${name}_${suffix}: expected ${value.expected}, got "${text}"`)
  return null
}

function readLimits(name: string, raw: Raw, faults: string[]): LimitValues {
  return fromEach((limit) => {
    const { field, parse } = limitKinds[limit]
    const text = raw[field.toUpperCase()]
    const value = text === undefined ? undefined : parse(text)
    if (!(value instanceof Wrong)) return value
    const variable = `SERVICE_${name}_${field.toUpperCase()}`
    faults.push(`${variable}: expected ${value.expected}, got "${text}"`)
    return undefined
  })
}
