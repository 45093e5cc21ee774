/** The Node.js to build upon. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export const processors = ['x64', 'arm64'] as const

export type Processor = (typeof processors)[number]

/**
 * Path of the pinned Node.js for a processor: the one that runs this, or one that npm fetches.
 *
 * @param directory for what is fetched.
 * @throws when what npm brings is not what package-lock.json has.
 */
export async function findNode(root: string, arch: Processor, directory: string): Promise<string> {
  if (arch === process.arch) return process.execPath
  const name = `node-linux-${arch}`
  const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version: string; integrity: string } | undefined>
  }
  const locked = lock.packages[`node_modules/${name}`]
  if (!locked) throw new Error(`package-lock.json has no ${name}`)
  const { stdout } = await run(
    'npm',
    ['pack', `${name}@${locked.version}`, '--json', '--pack-destination', directory],
    { cwd: directory },
  )
  const [fetched] = JSON.parse(stdout) as { filename: string; integrity: string }[]
  if (fetched?.integrity !== locked.integrity) {
    throw new Error(`${name}@${locked.version} is not the one of package-lock.json`)
  }
  await run(
    'tar',
    ['-xzf', fetched.filename, 'package/bin/node', 'package/LICENSE', 'package/package.json'],
    {
      cwd: directory,
    },
  )
  return join(directory, 'package', 'bin', 'node')
}
