/** The flags of `job-orchestrator backup` and `restore`; the server's own are set as for it. */
import { GivenFlags, asCommandFlag } from './command-flags.ts'
import type { CommandFlags, Environment } from './command-flags.ts'
import { ConfigError } from './config.ts'
import { settings } from './settings.ts'

/** Where the server has its own. */
type ServerPlaces = { readonly dbPath: string; readonly dataPath: string }

export type BackupConfig = ServerPlaces & {
  readonly to: string
  /** The files of jobs stay where they are. */
  readonly isDatabaseOnly: boolean
}

export type RestoreConfig = ServerPlaces & { readonly from: string }

const places = [settings.dbPath, settings.dataPath].map(asCommandFlag)

/** All that can be said to `backup`. */
export const backupFlags: CommandFlags = {
  command: 'backup',
  own: [
    {
      flag: 'to',
      value: 'DIRECTORY',
      help: 'where the backup goes: an empty directory, or one of an earlier backup of this server',
    },
  ],
  settings: places,
  switches: [{ flag: 'database-only', help: 'copies the database alone, without the files' }],
}

/** All that can be said to `restore`. */
export const restoreFlags: CommandFlags = {
  command: 'restore',
  own: [{ flag: 'from', value: 'DIRECTORY', help: 'a backup; it is only read' }],
  settings: places,
  switches: [],
}

/** @throws ConfigError with all that is wrong. */
export function readBackupConfig(args: readonly string[], environment: Environment): BackupConfig {
  const { given, ...own } = read(backupFlags, args, environment)
  const isDatabaseOnly = given.isOn('database-only')
  return Object.freeze({ to: given.text('to'), ...own, isDatabaseOnly })
}

/** @throws ConfigError with all that is wrong. */
export function readRestoreConfig(
  args: readonly string[],
  environment: Environment,
): RestoreConfig {
  const { given, ...own } = read(restoreFlags, args, environment)
  return Object.freeze({ from: given.text('from'), ...own })
}

function read(
  flags: CommandFlags,
  args: readonly string[],
  environment: Environment,
): ServerPlaces & { readonly given: GivenFlags } {
  const faults: string[] = []
  const given = new GivenFlags(flags, args, environment, faults)
  const dbPath = given.setting(settings.dbPath) ?? ''
  const dataPath = given.setting(settings.dataPath) ?? ''
  if (faults.length > 0) throw new ConfigError(faults)
  return { given, dbPath, dataPath }
}
