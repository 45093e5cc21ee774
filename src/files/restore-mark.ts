/**
 * While a restore moves things, a mark says so: a file with the name under which it sets things
 * aside. A server would take a directory of jobs that is half the old one for the whole one.
 */
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Fault } from '../domain/errors.ts'
import { syncDirectory, writeDurably } from './durable.ts'
import type { JobFiles } from './job-files.ts'
import { readIfThere } from './read.ts'

function markFile(files: JobFiles): string {
  return join(files.directory, 'restoring')
}

/** The name under which a restore that was cut short sets things aside. */
export async function unfinishedRestore(files: JobFiles): Promise<string | undefined> {
  return readIfThere(markFile(files))?.trim()
}

/** @throws Fault `conflict` if a restore was cut short here. */
export async function refuseUnfinished(files: JobFiles): Promise<void> {
  if ((await unfinishedRestore(files)) === undefined) return
  throw new Fault(
    'conflict',
    `a restore into ${files.directory} was cut short: run job-orchestrator restore once more, with ` +
      'the same --from, --db-path and --data-path',
  )
}

export async function markRestore(files: JobFiles, name: string): Promise<void> {
  await writeDurably(markFile(files), name)
}

export async function unmarkRestore(files: JobFiles): Promise<void> {
  await rm(markFile(files))
  await syncDirectory(dirname(markFile(files)))
}
