import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemCode } from '../domain/errors.ts'

/**
 * Makes a directory and those above it, where they are not there.
 *
 * Node's own `recursive` tries for ever where a directory is there but nothing can be made in it
 * for a reason called ENOENT, as in /proc.
 */
export async function makeDirectories(directory: string): Promise<void> {
  try {
    await mkdir(directory)
  } catch (error) {
    const code = systemCode(error)
    if (code === 'EEXIST') return
    if (code !== 'ENOENT' || dirname(directory) === directory) throw error
    await makeDirectories(dirname(directory))
    await mkdir(directory).catch((second: unknown) => {
      if (systemCode(second) !== 'EEXIST') throw second
    })
  }
}
