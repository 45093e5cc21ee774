import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemCode } from '../domain/errors.ts'
import { syncDirectory } from './durable.ts'

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

/** The same, durably: what is flushed into them is of no use where they are gone themselves. */
export async function makeDirectoriesDurably(directory: string): Promise<void> {
  const missing: string[] = []
  for (let at = directory; !existsSync(at); at = dirname(at)) missing.push(at)
  await makeDirectories(directory)
  for (const made of missing) await syncDirectory(dirname(made))
}
