/**
 * The program as the package of npm has it, in one file of JavaScript. It starts in a third of the
 * time that the checkout takes, for tests that start it very often.
 */
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeBundle } from '../../scripts/build/bundle.ts'
import { nodeDirectory, pathWith } from './built.ts'

export type Bundled = AsyncDisposable & {
  /** The program under test, if `undefined`. */
  readonly executable: string | undefined
  /** What it needs of an environment. */
  readonly env: Readonly<Record<string, string>>
}

const root = join(import.meta.dirname, '..', '..')

/** Makes it in a temporary directory; where `JO` names a build, it is that one. */
export async function bundle(): Promise<Bundled> {
  if (process.env['JO'] !== undefined) {
    return { executable: undefined, env: {}, [Symbol.asyncDispose]: async () => {} }
  }
  const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-bundle-'))
  const executable = join(directory, 'bin', 'job-orchestrator')
  await makeBundle(root, join(directory, 'dist', 'bundle'))
  await mkdir(join(directory, 'bin'))
  await copyFile(join(root, 'bin', 'job-orchestrator'), executable)
  return {
    executable,
    env: { PATH: pathWith(nodeDirectory), NODE_COMPILE_CACHE: join(directory, 'cache') },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}
