import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { systemCode } from '../domain/errors.ts'
import { syncDirectory } from './durable.ts'

/**
 * Makes a directory and those above it, where they are not there.
 *
 * Node's own `recursive` tries for ever where a directory is there but nothing can be made in it
 * for a reason called ENOENT, as in /proc.
 *
 * @param mode of the directory itself, as far as the umask lets it.
 */
export function makeDirectories(directory: string, mode = 0o777): void {
  try {
    makeOne(directory, mode)
  } catch (error) {
    if (systemCode(error) !== 'ENOENT' || dirname(directory) === directory) throw error
    makeDirectories(dirname(directory))
    makeOne(directory, mode)
  }
}

/** It may be there, or another one may have made it meanwhile. */
function makeOne(directory: string, mode: number): void {
  try {
    mkdirSync(directory, mode)
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
  }
}

/** The same, durably: what is flushed into them is of no use where they are gone themselves. */
export async function makeDirectoriesDurably(directory: string): Promise<void> {
  const missing: string[] = []
  for (let at = directory; !existsSync(at); at = dirname(at)) missing.push(at)
  makeDirectories(directory)
  for (const made of missing) await syncDirectory(dirname(made))
}
