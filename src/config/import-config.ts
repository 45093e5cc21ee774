/** The flags of `job-orchestrator import`; where ours go is set as for the server. */
import { GivenFlags, asCommandFlag } from './command-flags.ts'
import type { CommandFlags, Environment } from './command-flags.ts'
import { ConfigError } from './config.ts'
import { settings } from './settings.ts'

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

/** All that can be said to `import`. */
export const importFlags: CommandFlags = {
  command: 'import',
  own: [
    { flag: 'from', value: 'FILE', help: "2.2.3's database (its DB_PATH); it is only read" },
    { flag: 'data', value: 'DIRECTORY', help: "2.2.3's data (its DATA_PATH); it is only read" },
  ],
  settings: [settings.dbPath, settings.dataPath, settings.maxAgeMs].map(asCommandFlag),
  switches: [{ flag: 'dry-run', help: 'says what would be done, and writes nothing' }],
}

/** @throws ConfigError with all that is wrong. */
export function readImportConfig(args: readonly string[], environment: Environment): ImportConfig {
  const faults: string[] = []
  const given = new GivenFlags(importFlags, args, environment, faults)
  const dbPath = given.setting(settings.dbPath) ?? ''
  const dataPath = given.setting(settings.dataPath) ?? ''
  const maxAgeMs = given.setting(settings.maxAgeMs) ?? 0
  if (faults.length > 0) throw new ConfigError(faults)
  const [from, data] = [given.text('from'), given.text('data')]
  return Object.freeze({ from, data, dbPath, dataPath, maxAgeMs, isDry: given.isOn('dry-run') })
}
