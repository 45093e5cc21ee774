/** The flags of `job-orchestrator import`; where ours go is set as for the server. */
import { parseArgs } from 'node:util'
import { Wrong } from '../domain/units.ts'
import { ConfigError } from './config.ts'
import { settings } from './settings.ts'
import type { Setting } from './settings.ts'

export type ImportConfig = {
  /** Database of 2.2.3. */
  readonly from: string
  /** Data directory of 2.2.3. */
  readonly data: string
  readonly dbPath: string
  readonly dataPath: string
  readonly maxAgeMs: number
  readonly isDry: boolean
}

type Flag = { readonly flag: string; readonly value: string; readonly help: string }

const ownFlags: readonly Flag[] = [
  { flag: 'from', value: 'FILE', help: "2.2.3's database (its DB_PATH); it is only read" },
  { flag: 'data', value: 'DIRECTORY', help: "2.2.3's data (its DATA_PATH); it is only read" },
]

/** Of the server's settings, those that mean something here. */
const serverSettings = [settings.dbPath, settings.dataPath, settings.maxAgeMs] as const

/** All flags that take a value, in the order of the help text. */
export const importFlags: readonly (Flag & { readonly env?: string; readonly usual?: string })[] = [
  ...ownFlags,
  ...serverSettings.map(({ flag, value, help, env, fallback }) => {
    return { flag, value, help, env, usual: fallback.server }
  }),
]

type Environment = Readonly<Record<string, string | undefined>>

/** @throws ConfigError with all that is wrong. */
export function readImportConfig(args: readonly string[], environment: Environment): ImportConfig {
  const faults: string[] = []
  const { values, isDry } = readFlags(args, faults)
  for (const { flag, help } of ownFlags) {
    if (!values.has(flag)) faults.push(`--${flag} is missing: ${help}`)
  }
  const read = <T>({ env, flag, fallback, parse }: Setting<T>): T | undefined => {
    const fromEnvironment = environment[env] === '' ? undefined : environment[env]
    const text = values.get(flag) ?? fromEnvironment ?? fallback.server ?? ''
    const value = parse(text)
    if (!(value instanceof Wrong)) return value
    faults.push(
      `${values.has(flag) ? `--${flag}` : env}: expected ${value.expected}, got "${text}"`,
    )
    return undefined
  }
  const [dbPath = '', dataPath = ''] = [read(settings.dbPath), read(settings.dataPath)]
  const maxAgeMs = read(settings.maxAgeMs) ?? 0
  if (faults.length > 0) throw new ConfigError(faults)
  const [from = '', data = ''] = [values.get('from'), values.get('data')]
  return Object.freeze({ from, data, dbPath, dataPath, maxAgeMs, isDry })
}

function readFlags(
  args: readonly string[],
  faults: string[],
): { values: Map<string, string>; isDry: boolean } {
  const known = new Set(importFlags.map(({ flag }) => flag))
  const { tokens } = parseArgs({
    args: [...args],
    options: {
      ...Object.fromEntries([...known].map((flag) => [flag, { type: 'string' as const }])),
      'dry-run': { type: 'boolean' },
    },
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const values = new Map<string, string>()
  let isDry = false
  for (const [index, token] of tokens.entries()) {
    if (token.kind === 'option-terminator') continue
    if (token.kind === 'positional') {
      // The value of a flag that is not known is not a second fault.
      const before = tokens[index - 1]
      if (before?.kind === 'option' && before.value === undefined && !known.has(before.name)) {
        if (before.name !== 'dry-run') continue
      }
      faults.push(`"${token.value}" means nothing here; see job-orchestrator import --help`)
    } else if (token.name === 'dry-run') {
      if (token.value !== undefined) faults.push('--dry-run takes no value')
      isDry = true
    } else if (!known.has(token.name)) {
      faults.push(`${token.rawName} is not known; see job-orchestrator import --help`)
    } else if (token.value === undefined || token.value === '') {
      faults.push(`--${token.name} needs a value`)
      values.set(token.name, '')
    } else if (values.has(token.name)) faults.push(`--${token.name} is given twice`)
    else values.set(token.name, token.value)
  }
  return { values, isDry }
}
