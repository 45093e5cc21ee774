/** What is built of the program: the single executable, and the package of npm. */
import { execFile } from 'node:child_process'
import { access } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..', '..')

/** Where the pinned Node.js is, for what takes the one on the PATH. */
export const nodeDirectory = join(process.execPath, '..')

/** Builds the executable; returns where it is. */
export async function buildExecutable(): Promise<string> {
  await run(process.execPath, [join(root, 'scripts', 'build.ts')])
  return join(root, 'dist', 'job-orchestrator')
}

/** Packs the package of npm into a directory; returns the file and the names in it. */
export async function pack(
  directory: string,
): Promise<{ readonly file: string; readonly names: readonly string[] }> {
  const { stdout } = await npm(['pack', '--silent', '--pack-destination', directory], directory)
  const file = join(directory, stdout.trim().split('\n').at(-1) ?? '')
  await access(file)
  const listed = await run('tar', ['-tzf', file])
  return { file, names: listed.stdout.trim().split('\n') }
}

/** Installs a package as `npm install -g` does, from nothing but its file; returns the command. */
export async function install(file: string, prefix: string): Promise<string> {
  const silence = ['--no-audit', '--no-fund', '--no-update-notifier']
  await npm(['install', '--global', '--prefix', prefix, '--offline', ...silence, file], prefix)
  return join(prefix, 'bin', 'job-orchestrator')
}

/** @param directory for its cache: npm leaves nothing elsewhere. */
function npm(args: readonly string[], directory: string) {
  const env = { ...process.env, npm_config_cache: join(directory, '.npm') }
  return run('npm', args, { cwd: root, env, maxBuffer: 2 ** 26 })
}

/** PATH with a directory before all others. */
export function pathWith(directory: string): string {
  return directory + delimiter + (process.env['PATH'] ?? '')
}
