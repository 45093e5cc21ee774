/** Copies what job-orchestrator 2.2.3 has of a job into the directory that is the job's here. */
import { mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { systemCode } from '../domain/errors.ts'
import type { Result } from '../domain/job.ts'
import { findZipDamage } from './check-zip.ts'
import { makeDirectories } from './directories.ts'
import { syncDirectory, write } from './durable.ts'
import type { JobFiles } from './job-files.ts'
import { readPieces } from './read.ts'

/** Why a file cannot be had, where nobody can do anything about it. */
const lost: Readonly<Record<string, string>> = {
  ENOENT: 'it is not there',
  ENOTDIR: 'it is not there',
  EISDIR: 'it is a directory',
  ELOOP: 'it is a link to itself',
  EIO: 'the disk cannot read it',
}

/** What is wrong with a result, in words. */
export type Damage = { readonly damage: string }

/**
 * Copies a result, and makes it durable but for the name of the job's directory.
 *
 * @param from 2.2.3's `output.zip`.
 * @returns what is wrong with it, if it is not a whole ZIP; then nothing is kept.
 * @throws an error of the system where the operator can mend it; a Fault if the disk is full.
 */
export async function copyResult(
  files: JobFiles,
  id: number,
  from: string,
): Promise<Result | Damage> {
  const target = files.resultFile(id, 1)
  return damageOf(async () => {
    await using source = await open(from, 'r')
    const stats = await source.stat()
    if (!stats.isFile()) return { damage: 'it is not a file' }
    await makeJobDirectory(files, id)
    const { result, file } = await write(target, readPieces(from, stats.size))
    const [damage] = await Promise.all([
      findZipDamage(target),
      file.flush(),
      syncDirectory(dirname(target)),
    ])
    if (damage === undefined) return result
    await files.remove(id)
    return { damage }
  })
}

/** The same without copying anything; the SHA-256 is not that of the file. */
export async function lookAtResult(from: string): Promise<Result | Damage> {
  return damageOf(async () => {
    const damage = await findZipDamage(from)
    if (damage !== undefined) return { damage }
    await using source = await open(from, 'r')
    return { sizeBytes: (await source.stat()).size, sha256: '' }
  })
}

async function damageOf(look: () => Promise<Result | Damage>): Promise<Result | Damage> {
  try {
    return await look()
  } catch (error) {
    const why = lost[systemCode(error) ?? '']
    if (why === undefined) throw error
    return { damage: why }
  }
}

/** When a file was last written to, in milliseconds since 1970; 0 if it is gone. */
export async function changedAtMs(file: string): Promise<number> {
  return stat(file).then(
    ({ mtimeMs }) => Math.round(mtimeMs),
    () => 0,
  )
}

/** Names of the files that lie in a directory of 2.2.3; `undefined` if it is not there. */
export async function filesIn(directory: string): Promise<string[] | undefined> {
  try {
    const entries = await readdir(directory, { withFileTypes: true })
    return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
  } catch (error) {
    if (lost[systemCode(error) ?? ''] === undefined) throw error
    return undefined
  }
}

/**
 * Copies uploaded files, and makes them durable but for the name of the job's directory.
 *
 * @param names of files in the directory `from`.
 * @throws an error of the system; a Fault if the disk is full.
 */
export async function copyInputs(
  files: JobFiles,
  id: number,
  from: string,
  names: readonly string[],
): Promise<void> {
  const target = files.inputDirectory(id)
  await makeJobDirectory(files, id)
  await mkdir(target)
  for (const name of names) {
    const source = join(from, name)
    const { file } = await write(join(target, name), readPieces(source, Infinity))
    await file.flush()
  }
  await Promise.all([syncDirectory(target), syncDirectory(dirname(target))])
}

/** Empty: an import that was cut short may have left something there. */
async function makeJobDirectory(files: JobFiles, id: number): Promise<void> {
  await rm(dirname(files.inputDirectory(id)), { recursive: true, force: true })
  makeDirectories(dirname(files.inputDirectory(id)))
}

/** Makes the names of the jobs' directories durable. */
export async function syncJobs(files: JobFiles): Promise<void> {
  await syncDirectory(dirname(files.lockFile))
}
