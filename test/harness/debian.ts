import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Every Debian has it; whoever installs holds a lock on it, so that test files take turns. */
const lockFile = '/etc/debian_version'
const patienceMs = 300_000

/**
 * Makes sure that a command is there, from a package of Debian if need be.
 *
 * @returns `undefined`, or why it is not there.
 */
export async function ensureCommand(
  command: string,
  packageName: string = command,
): Promise<string | undefined> {
  if (isThere(command)) return undefined
  if (!existsSync(lockFile)) return `${command} is not installed, and this is no Debian`
  if (process.getuid?.() !== 0) {
    return `${command} is not installed, and only root can install the package ${packageName}`
  }
  const script =
    `command -v ${command} || { apt-get update -qq && ` +
    `apt-get install -y -qq --no-install-recommends ${packageName}; }`
  try {
    await run('flock', [lockFile, 'sh', '-c', script], {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      timeout: patienceMs,
      maxBuffer: 2 ** 26,
    })
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string }
    const why = stderr.trim().split('\n').at(-1) || message
    return `${command} is not installed, and the package ${packageName} cannot be: ${why}`
  }
  return isThere(command) ? undefined : `the package ${packageName} has no command ${command}`
}

function isThere(command: string): boolean {
  const directories = process.env['PATH']?.split(delimiter) ?? []
  return [...directories, '/usr/bin'].some((directory) => existsSync(join(directory, command)))
}
