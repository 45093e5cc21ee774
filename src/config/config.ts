/** Flags and environment become one frozen, typed configuration; all faults are told at once. */
import { parseArgs } from 'node:util'
import { fromEach } from '../domain/limits.ts'
import type { LimitValues } from '../domain/limits.ts'
import { Wrong } from '../domain/units.ts'
import { readIsolation } from './isolation.ts'
import type { IsolationConfig } from './isolation.ts'
import { readServices } from './services.ts'
import type { ServiceConfig } from './services.ts'
import { settings } from './settings.ts'
import type { Mode, Setting, SettingName } from './settings.ts'
import { readTrust } from './trust.ts'
import type { TrustConfig } from './trust.ts'

type Values = {
  readonly [Name in SettingName]: Exclude<ReturnType<(typeof settings)[Name]['parse']>, Wrong>
}

/** Times are in milliseconds, sizes in bytes. */
export type ServerConfig = Pick<
  Values,
  | 'port'
  | 'host'
  | 'isInsecure'
  | 'dbPath'
  | 'dataPath'
  | 'maxAgeMs'
  | 'maxUploadSizeBytes'
  | 'minFreeSpaceBytes'
  | 'headersTimeoutMs'
  | 'bodyTimeoutMs'
  | 'maxUploadFiles'
  | 'maxUploads'
  | 'maxUploadsPerUser'
  | 'maxAttempts'
  | 'clientLostAfterMs'
  | 'killGraceMs'
  | 'logLevel'
> &
  TrustConfig & {
    readonly services: readonly ServiceConfig[]
    readonly warnings: readonly string[]
  }

export type ClientConfig = Pick<
  Values,
  | 'port'
  | 'host'
  | 'isInsecure'
  | 'dataPath'
  | 'maxAgeMs'
  | 'maxUploadSizeBytes'
  | 'minFreeSpaceBytes'
  | 'headersTimeoutMs'
  | 'bodyTimeoutMs'
  | 'maxUploadFiles'
  | 'maxUploads'
  | 'killGraceMs'
  | 'passEnv'
  | 'cgroups'
  | 'maxResultSizeBytes'
  | 'maxResultFiles'
  | 'logLevel'
> &
  TrustConfig &
  IsolationConfig & {
    /** `null`: as many as are sent. */
    readonly slots: number | null
    /** What each script may use at most. */
    readonly limits: LimitValues
    readonly warnings: readonly string[]
  }

/** The configuration is wrong; `faults` has a line for each fault there is. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(`the configuration has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}`)
    this.faults = faults
  }
}

type Environment = Readonly<Record<string, string | undefined>>

/** @throws ConfigError with all that is wrong. */
export function readServerConfig(args: readonly string[], environment: Environment): ServerConfig {
  const faults: string[] = []
  const warnings: string[] = []
  const values = readSettings('server', args, environment, faults)
  const services = readServices(environment, faults, warnings)
  const trust = readTrust('server', values, environment, faults, warnings)
  return finish({ ...values, ...trust, services, warnings }, faults)
}

/** @throws ConfigError with all that is wrong. */
export function readClientConfig(args: readonly string[], environment: Environment): ClientConfig {
  const faults: string[] = []
  const warnings: string[] = []
  const { slots, passEnv, ...values } = readSettings('client', args, environment, faults)
  const trust = readTrust('client', values, environment, faults, warnings)
  const isolation = readIsolation(values, faults)
  const limits = fromEach((name) => values[name])
  const own = { slots: slots ?? null, passEnv: passEnv ?? [], limits, warnings }
  return finish({ ...values, ...trust, ...isolation, ...own }, faults)
}

function finish<C extends object>(config: C, faults: readonly string[]): Readonly<C> {
  if (faults.length > 0) throw new ConfigError(faults)
  return Object.freeze(config)
}

/** The settings of a mode, in the order of the help text. */
export function settingsOf(mode: Mode): [SettingName, Setting<unknown>][] {
  return Object.entries<Setting<unknown>>(settings)
    .filter(([, setting]) => setting.modes.includes(mode))
    .map(([name, setting]) => [name as SettingName, setting])
}

function readSettings(
  mode: Mode,
  args: readonly string[],
  environment: Environment,
  faults: string[],
): Values {
  const known = settingsOf(mode)
  const flags = readFlags(mode, args, faults)
  const values: Partial<Record<SettingName, unknown>> = {}
  for (const [name, { env, flag, fallback, parse }] of known) {
    const fromFlag = flags.get(flag)
    const fromEnvironment = environment[env]
    const text =
      fromFlag ?? (fromEnvironment === '' ? undefined : fromEnvironment) ?? fallback[mode]
    if (text === null) continue
    const value = parse(text)
    if (value instanceof Wrong) {
      const source = fromFlag === undefined ? env : `--${flag}`
      faults.push(`${source}: expected ${value.expected}, got "${text}"`)
    } else {
      values[name] = value
    }
  }
  // Where a value is missing, there is a fault, and nobody gets to see the rest.
  return values as Values
}

function readFlags(mode: Mode, args: readonly string[], faults: string[]): Map<string, string> {
  const known = new Map(settingsOf(mode).map(([, { flag, value }]) => [flag, value !== '']))
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      Object.values(settings).map(({ flag, value }) => [
        flag,
        { type: value === '' ? ('boolean' as const) : ('string' as const) },
      ]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const flags = new Map<string, string>()
  for (const [index, token] of tokens.entries()) {
    if (token.kind === 'positional') {
      // The value of a flag that is not known is not a second fault.
      const before = tokens[index - 1]
      if (before?.kind === 'option' && before.value === undefined && !isFlag(before.name)) continue
      faults.push(`"${token.value}" means nothing here; settings are flags such as --port`)
    } else if (token.kind === 'option') {
      if (!known.has(token.name)) faults.push(unknownFlag(mode, token.rawName))
      else if (token.value === '' || (token.value === undefined && known.get(token.name))) {
        faults.push(`--${token.name} needs a value`)
      } else if (flags.has(token.name)) faults.push(`--${token.name} is given twice`)
      else flags.set(token.name, token.value ?? 'true')
    }
  }
  return flags
}

/** Of whatever mode. */
function isFlag(name: string): boolean {
  return Object.values(settings).some(({ flag }) => flag === name)
}

function unknownFlag(mode: Mode, rawName: string): string {
  const other = Object.values<Setting<unknown>>(settings).find(
    (setting) => `--${setting.flag}` === rawName,
  )
  return other
    ? `${rawName} is not for the ${mode}, only for the ${other.modes.join(' and the ')}`
    : `${rawName} is not known; see job-orchestrator ${mode} --help`
}
