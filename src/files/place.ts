import { renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { makeDirectories } from './directories.ts'
import { syncDirectory } from './durable.ts'
import type { JobFiles } from './job-files.ts'

/** Moves what was staged of jobs to where it belongs, durably. */
export async function placeEntries(
  staged: JobFiles,
  files: JobFiles,
  entries: readonly { readonly id: number; readonly name: string }[],
): Promise<void> {
  const changed = new Set<string>()
  for (const { id, name } of entries) {
    const from = dirname(staged.inputDirectory(id))
    const to = dirname(files.inputDirectory(id))
    makeDirectories(to)
    renameSync(join(from, name), join(to, name))
    changed.add(to)
  }
  for (const directory of changed) await syncDirectory(directory)
  await syncDirectory(files.directory)
}
