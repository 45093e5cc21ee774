/** From the command line to a running program. The only place that exits. */
import { FatalError } from './cli/end-program.ts'
import {
  backupHelp,
  generalHelp,
  importHelp,
  modeHelp,
  restoreHelp,
  tokenHelp,
} from './cli/help.ts'
import type { Running } from './cli/running.ts'
import { StartError } from './cli/start-error.ts'
import { version } from './cli/version.ts'
import { readBackupConfig, readRestoreConfig } from './config/backup-config.ts'
import { ConfigError, readClientConfig, readServerConfig } from './config/config.ts'
import { readImportConfig } from './config/import-config.ts'
import { readTokenConfig } from './config/token-config.ts'
import { secretPrefix } from './config/settings.ts'
import type { Mode } from './config/settings.ts'
import { armCrashPoint } from './crash-points.ts'
import { readLicences } from './embedded.ts'
import { spawnerCommand } from './executors/spawner/messages.ts'
import { createLog } from './log.ts'
import type { Log } from './log.ts'

/** The command line or the configuration is wrong, or something is in the way of the start. */
const cannotStart = 2
/** Something unforeseen. */
const failed = 1

/** What ends by itself, or after what it is at when a signal comes. */
type Command = {
  readonly help: string
  /** @returns whether all was done. */
  readonly run: (args: readonly string[]) => Promise<boolean>
}

const commands: ReadonlyMap<string, Command> = new Map(
  Object.entries<Command>({
    import: {
      help: importHelp,
      run: async (args) => {
        const config = readImportConfig(args, process.env)
        return (await import('./cli/import.ts')).runImport(config, stopSignal(), say)
      },
    },
    backup: {
      help: backupHelp,
      run: async (args) => {
        const config = readBackupConfig(args, process.env)
        return (await import('./cli/backup.ts')).runBackup(config, stopSignal(), say)
      },
    },
    restore: {
      help: restoreHelp,
      run: async (args) => {
        const config = readRestoreConfig(args, process.env)
        return (await import('./cli/restore.ts')).runRestore(config, stopSignal(), say)
      },
    },
    token: {
      help: tokenHelp,
      run: async (args) => {
        const config = readTokenConfig(args, process.env)
        return (await import('./cli/token.ts')).runToken(config, say, remark)
      },
    },
  }),
)

void main(process.argv.slice(2))

async function main([first, ...rest]: readonly string[]): Promise<void> {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    return exitWith(cannotStart, ['job-orchestrator: runs on Linux, on x64 and arm64'])
  }
  const refused = armCrashPoint(process.env)
  if (refused !== undefined) return exitWith(cannotStart, [`job-orchestrator: ${refused}`])
  // Not for people: a client starts it (src/executors/spawner/).
  if (first === spawnerCommand && process.connected) {
    process.on('disconnect', () => process.exit(0))
    return (await import('./executors/spawner/run-spawner.ts')).runSpawner()
  }
  if (first === '--version' || first === '-V' || first === 'version') return say(version)
  if (first === '--licenses') return say(await readLicences())
  if (first === '--help' || first === '-h' || first === 'help') return say(generalHelp.trimEnd())
  const command = commands.get(first ?? '')
  if (first !== undefined && command) return runCommand(first, command, rest)
  if (first !== 'server' && first !== 'client') {
    const what = first === undefined ? 'which mode?' : `"${first}" is not a mode.`
    return exitWith(cannotStart, [`job-orchestrator: ${what}`, '', generalHelp.trimEnd()])
  }
  if (rest.includes('--help') || rest.includes('-h')) return say(modeHelp(first).trimEnd())
  if (rest.includes('--version')) return say(version)
  await run(first, rest)
}

async function run(mode: Mode, args: readonly string[]): Promise<void> {
  const stopping = stopSignal()
  let isDrainAsked = false
  let askDrain = (): void => {
    isDrainAsked = true
  }
  // Without a listener Node.js would open its inspector at this signal.
  process.on('SIGUSR1', () => askDrain())
  try {
    const { log, start } = prepare(mode, args)
    process.on('uncaughtException', (error) => {
      const isForeseen = error instanceof FatalError
      const what = isForeseen ? error.message : 'an unforeseen fault ends the program'
      log.fatal({ err: isForeseen ? error.cause : error }, what)
      process.exit(failed)
    })
    const running = await start()
    askDrain = running.drain ?? (() => log.info('SIGUSR1 means nothing to a server'))
    if (isDrainAsked) askDrain()
    log.info('ready')
    await aborted(stopping)
    log.info(`${String(stopping.reason)}: stopping; scripts go on`)
    await running.stop()
    log.info('stopped')
    process.exit(0)
  } catch (error) {
    refuse(mode, error)
  }
}

async function runCommand(name: string, command: Command, args: readonly string[]): Promise<void> {
  if (args.includes('--help') || args.includes('-h')) return say(command.help.trimEnd())
  try {
    process.exit((await command.run(args)) ? 0 : failed)
  } catch (error) {
    refuse(name, error)
  }
}

/** Aborted by the first SIGTERM or SIGINT. */
function stopSignal(): AbortSignal {
  const stopping = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      // A second signal does not wait.
      if (stopping.signal.aborted) process.exit(failed)
      stopping.abort(signal)
    })
  }
  return stopping.signal
}

/** Ends with a clear line where the operator can mend what is wrong. */
function refuse(command: string, error: unknown): never {
  if (error instanceof ConfigError) {
    const faults = error.faults.map((fault) => `  ${fault}`)
    exitWith(cannotStart, [`job-orchestrator ${command}: ${error.message}:`, ...faults])
  }
  if (error instanceof StartError) {
    exitWith(cannotStart, [`job-orchestrator ${command}: ${error.message}`])
  }
  throw error
}

/** What this process starts gets its environment, and is not to get this. */
function forgetSecrets(): void {
  for (const name of Object.keys(process.env)) {
    if (name.startsWith(secretPrefix)) delete process.env[name]
  }
}

/** Each mode loads only what it needs: memory that is not there need not be copied by a fork. */
function prepare(
  mode: Mode,
  args: readonly string[],
): { readonly log: Log; readonly start: () => Promise<Running> } {
  if (mode === 'server') {
    const config = readServerConfig(args, process.env)
    forgetSecrets()
    const log = createLog(config.logLevel)
    return {
      log,
      start: async () => (await import('./cli/server.ts')).startServer(config, log),
    }
  }
  const config = readClientConfig(args, process.env)
  forgetSecrets()
  const log = createLog(config.logLevel)
  return {
    log,
    start: async () => (await import('./cli/client.ts')).startClient(config, process.env, log),
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
}

function say(text: string): void {
  // Who reads it may have seen enough, such as `head`.
  process.stdout.once('error', () => process.exit(0))
  process.stdout.write(`${text}\n`)
}

function remark(text: string): void {
  process.stderr.write(`${text}\n`)
}

function exitWith(code: number, lines: readonly string[]): never {
  process.stderr.write(`${lines.join('\n')}\n`)
  process.exit(code)
}
