/**
 * Writing so that it is still there after a power cut: a file's content is durable when it was
 * flushed, and its name when its directory was. Flushes that need not wait for each other run
 * together, for they share the disk's work.
 */
import { createHash } from 'node:crypto'
import { closeSync, fsync, openSync, renameSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { crashPoint } from '../crash-points.ts'
import { asFault } from '../domain/errors.ts'
import type { Result } from '../domain/job.ts'
import { sharedWork } from '../domain/shared-work.ts'
import { NewFile } from './new-file.ts'

const flushElsewhere = promisify(fsync)

/** Flushes of directories under way, and who waits for them. */
const syncs = new Map<string, { readonly ask: () => Promise<void>; waiting: number }>()

/**
 * Makes the names in a directory durable that are there now, by one flush for all who ask.
 *
 * @throws Fault `no_space`, `broken_disk`.
 */
export async function syncDirectory(directory: string): Promise<void> {
  const sync = syncs.get(directory) ?? {
    ask: sharedWork(() => syncNow(directory)),
    waiting: 0,
  }
  syncs.set(directory, sync)
  sync.waiting++
  try {
    await sync.ask()
  } finally {
    if (--sync.waiting === 0) syncs.delete(directory)
  }
}

async function syncNow(directory: string): Promise<void> {
  try {
    const descriptor = openSync(directory, 'r')
    await flushElsewhere(descriptor).finally(() => closeSync(descriptor))
  } catch (error) {
    throw asFault(error)
  }
}

/**
 * Waits until all of these have succeeded or failed: what is still under way would write to what is
 * being removed, or written again.
 *
 * @throws what the first of them threw.
 */
export async function all(works: Iterable<Promise<unknown>>): Promise<void> {
  const failed = (await Promise.allSettled(works)).find(({ status }) => status === 'rejected')
  if (failed?.status === 'rejected') throw failed.reason
}

/** What is to be written, piece by piece. */
export type Content = AsyncIterable<Uint8Array> | Iterable<Uint8Array>

/** What was written, and the file, still open: `flush` it. */
export type Written = {
  readonly result: Result
  readonly file: NewFile
  /** All of it, if it came in one piece. */
  readonly whole: Uint8Array | undefined
}

/**
 * Writes a stream to a file, from its beginning.
 *
 * @throws Fault `no_space`, `broken_disk`; whatever `content` throws.
 */
export async function write(path: string, content: Content): Promise<Written> {
  const hash = createHash('sha256')
  const pieces: Uint8Array[] = []
  let file: NewFile | undefined
  try {
    file = NewFile.open(path)
    for await (const piece of content) {
      hash.update(piece)
      if (pieces.length < 2) pieces.push(piece)
      await file.write(piece)
      crashPoint('result: half written')
    }
    await file.written()
  } catch (error) {
    file?.close()
    throw asFault(error)
  }
  const result = { sizeBytes: file.sizeBytes, sha256: hash.digest('hex') }
  return { result, file, whole: pieces.length === 1 ? pieces[0] : undefined }
}

/** Renames durably, within a directory or from elsewhere on the same disk. */
export async function renameDurably(from: string, to: string): Promise<void> {
  try {
    renameSync(from, to)
  } catch (error) {
    throw asFault(error)
  }
  await syncDirectory(dirname(to))
}

/** Writes a small file of ours and flushes it, or leaves none; its name is not durable yet. */
export async function writeFlushed(path: string, text: string): Promise<void> {
  try {
    const file = NewFile.open(path, { mode: 0o600 })
    try {
      await file.write(Buffer.from(text))
      await file.flush()
    } finally {
      file.close()
    }
  } catch (error) {
    await rm(path, { force: true }).catch(() => {})
    throw asFault(error)
  }
}

/** Writes a small file whole or not at all, durably. */
export async function writeDurably(path: string, text: string): Promise<void> {
  await writeFlushed(`${path}.part`, text)
  await renameDurably(`${path}.part`, path)
}
