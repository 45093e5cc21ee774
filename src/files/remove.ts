import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir, rm, rmdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { messageOf, systemCode } from '../domain/errors.ts'

const run = promisify(execFile)

/**
 * Removes a directory that a stranger's script has filled: directories that may not be written, and
 * trees that are deeper than a path may be long, which only tools that walk step by step can remove.
 *
 * @returns whether it is gone; never throws.
 */
export async function removeTree(directory: string): Promise<boolean> {
  try {
    await removeEntries(directory)
    return true
  } catch (error) {
    if (systemCode(error) === 'ENOENT' && !existsSync(directory)) return true
    await run('chmod', ['-R', 'u+rwX', '--', directory]).catch(() => {})
    return run('rm', ['-rf', '--', directory]).then(
      () => true,
      () => false,
    )
  }
}

/** One after the other: there is no hurry, and others wait for the disk too. */
async function removeEntries(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    await (entry.isDirectory() ? removeEntries(path) : unlink(path))
  }
  await rmdir(directory)
}

/** Removing waits for the disk most of the time. */
const atOnce = 8

export type Removals = {
  readonly removed: number
  /** What could not be removed, and why. */
  readonly stuck: readonly { readonly directory: string; readonly why: string }[]
}

/** Removes directories; one that cannot be removed stops no other. */
export async function removeAll(directories: readonly string[]): Promise<Removals> {
  const left = directories.values()
  const stuck: { directory: string; why: string }[] = []
  const removeNext = async () => {
    for (const directory of left) {
      try {
        await rm(directory, { recursive: true, force: true })
      } catch (error) {
        stuck.push({ directory, why: messageOf(error) })
      }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, removeNext))
  return { removed: directories.length - stuck.length, stuck }
}
