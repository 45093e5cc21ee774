import { execFile } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/**
 * Removes a directory that a stranger's script has filled: directories that may not be written, and
 * trees that are deeper than a path may be long, which only tools that walk step by step can remove.
 *
 * @returns whether it is gone; never throws.
 */
export async function removeTree(directory: string): Promise<boolean> {
  try {
    await rm(directory, { recursive: true, force: true })
    return true
  } catch {
    await run('chmod', ['-R', 'u+rwX', '--', directory]).catch(() => {})
    return run('rm', ['-rf', '--', directory]).then(
      () => true,
      () => false,
    )
  }
}
