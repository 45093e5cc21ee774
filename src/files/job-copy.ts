/**
 * Copies the files of jobs from one directory of jobs to another. They never change once they are
 * there, so what has the same size and time in both is the same.
 */
import { createHash, randomBytes } from 'node:crypto'
import { renameSync } from 'node:fs'
import { readdir, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { asFault, systemCode } from '../domain/errors.ts'
import type { Result } from '../domain/job.ts'
import { makeDirectories } from './directories.ts'
import { syncDirectory, write } from './durable.ts'
import type { JobFiles } from './job-files.ts'
import { readPieces } from './read.ts'

/** A file of a job: its path below some directory. */
export type JobFile = {
  readonly path: string
  readonly sizeBytes: number
  /** Whole milliseconds: not every file system keeps more. */
  readonly changedAtMs: number
}

/** What is copied, and what need not be. */
export type Copied = { files: number; bytes: number; presentFiles: number }

export function nothingCopied(): Copied {
  return { files: 0, bytes: 0, presentFiles: 0 }
}

/** The files below a directory, sorted; `undefined` if it is not there. */
export async function filesBelow(directory: string): Promise<JobFile[] | undefined> {
  try {
    const entries = await readdir(directory, { recursive: true, withFileTypes: true })
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .toSorted()
    return await Promise.all(
      files.map(async (file) => {
        const { size, mtimeMs } = await stat(file)
        const path = file.slice(directory.length + 1)
        return { path, sizeBytes: size, changedAtMs: Math.round(mtimeMs) }
      }),
    )
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
}

/** Whether all of these are among those. */
export function areAmong(these: readonly JobFile[], those: readonly JobFile[]): boolean {
  const byPath = new Map(those.map((file) => [file.path, file]))
  return these.every((file) => {
    const other = byPath.get(file.path)
    return other !== undefined && isSame(file, other)
  })
}

/**
 * Copies the uploaded files of a job, durably.
 *
 * @returns whether they are there; if not, or not any more, what was copied is of no use.
 */
export async function copyInputs(
  from: JobFiles,
  to: JobFiles,
  id: number,
  copied: Copied,
): Promise<boolean> {
  const source = from.inputDirectory(id)
  const target = to.inputDirectory(id)
  const wanted = await filesBelow(source)
  if (wanted === undefined) return false
  const present = (await filesBelow(target)) ?? []
  // Another job's, of the same id.
  const isOther = !areAmong(present, wanted)
  if (isOther) await rm(target, { recursive: true })
  const there = new Set(isOther ? [] : present.map(({ path }) => path))
  const directories = new Set([dirname(target), target])
  for (const file of wanted) {
    if (there.has(file.path)) {
      copied.presentFiles++
      continue
    }
    const path = join(target, file.path)
    for (let at = dirname(path); !directories.has(at); at = dirname(at)) directories.add(at)
    makeDirectories(dirname(path))
    if (!(await copyFile(join(source, file.path), to, path, file, copied))) return false
  }
  makeDirectories(target)
  await Promise.all([...directories].map(syncDirectory))
  return true
}

/** How a result is. */
export type ResultState = 'whole' | 'missing' | 'damaged'

/**
 * Copies a result, durably, if it is the one that is meant.
 *
 * @returns how it was where it came from.
 */
export async function copyResult(
  from: JobFiles,
  to: JobFiles,
  { id, attempt }: { readonly id: number; readonly attempt: number },
  meant: Result,
  copied: Copied,
): Promise<ResultState> {
  const source = from.resultFile(id, attempt)
  const target = to.resultFile(id, attempt)
  const file = await lookAt(source)
  if (!file) return 'missing'
  const present = await lookAt(target)
  if (present && isSame(file, present) && present.sizeBytes === meant.sizeBytes) {
    copied.presentFiles++
    return 'whole'
  }
  makeDirectories(dirname(target))
  const result = await copyFile(source, to, target, file, copied, meant)
  if (!result) return 'missing'
  if (!isMeant(result, meant)) return 'damaged'
  await syncDirectory(dirname(target))
  return 'whole'
}

/** Reads a result to its end, to see whether it is the one that is meant. */
export async function checkResult(file: string, meant: Result): Promise<ResultState> {
  try {
    const { size } = await stat(file)
    if (size !== meant.sizeBytes) return 'damaged'
    const hash = createHash('sha256')
    for await (const piece of readPieces(file, size)) hash.update(piece)
    return hash.digest('hex') === meant.sha256 ? 'whole' : 'damaged'
  } catch (error) {
    if (isGone(error)) return 'missing'
    if (isUnreadable(error)) return 'damaged'
    throw error
  }
}

/**
 * Copies a file under another name first, so that whatever has its name is whole.
 *
 * @param meant another content than this does not get the name.
 * @returns what was copied; `undefined` if it is gone.
 */
async function copyFile(
  source: string,
  to: JobFiles,
  target: string,
  { sizeBytes, changedAtMs }: JobFile,
  copied: Copied,
  meant?: Result,
): Promise<Result | undefined> {
  const part = join(to.directory, 'incoming', randomBytes(8).toString('hex'))
  try {
    const { result, file } = await write(part, readPieces(source, sizeBytes))
    try {
      await file.setChangedAt(changedAtMs)
      await file.flush()
    } finally {
      file.close()
    }
    if (meant && !isMeant(result, meant)) return result
    renameSync(part, target)
    copied.files++
    copied.bytes += result.sizeBytes
    return result
  } catch (error) {
    if (isGone(error) || isUnreadable(error)) return undefined
    throw asFault(error)
  } finally {
    await rm(part, { force: true })
  }
}

async function lookAt(file: string): Promise<JobFile | undefined> {
  try {
    const { size, mtimeMs } = await stat(file)
    return { path: file, sizeBytes: size, changedAtMs: Math.round(mtimeMs) }
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
}

function isSame(one: JobFile, other: JobFile): boolean {
  return one.sizeBytes === other.sizeBytes && one.changedAtMs === other.changedAtMs
}

function isMeant(result: Result, meant: Result): boolean {
  return result.sizeBytes === meant.sizeBytes && result.sha256 === meant.sha256
}

function isGone(error: unknown): boolean {
  const code = systemCode(error)
  return code === 'ENOENT' || code === 'ENOTDIR'
}

/** The disk that is read from is broken there; one that is written to is another matter. */
function isUnreadable(error: unknown): boolean {
  return (
    systemCode(error) === 'EIO' &&
    error instanceof Error &&
    'syscall' in error &&
    error.syscall === 'read'
  )
}
