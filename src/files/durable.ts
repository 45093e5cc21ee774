/**
 * Writing so that it is still there after a power cut: a file's content is durable when it was
 * flushed, and its name when its directory was. Flushes that need not wait for each other run
 * together, for they share the disk's work.
 */
import { createHash } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { crashPoint } from '../crash-points.ts'
import { asFault } from '../domain/errors.ts'
import type { Result } from '../domain/job.ts'

/** Makes the names in a directory durable. */
export async function syncDirectory(directory: string): Promise<void> {
  try {
    await using handle = await open(directory, 'r')
    await handle.sync()
  } catch (error) {
    throw asFault(error)
  }
}

/**
 * Makes the content of a file that was written durable, and closes it.
 *
 * When that fails nobody knows what of it is on the disk, and a second flush would tell nothing:
 * Linux may have dropped the pages. The file has to be removed, and written anew.
 */
export async function flush(handle: FileHandle): Promise<void> {
  try {
    await handle.datasync()
    await handle.close()
  } catch (error) {
    await handle.close().catch(() => {})
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

/** What was written, and the file, still open: `flush` it. */
export type Written = { readonly result: Result; readonly handle: FileHandle }

/**
 * Writes a stream to a file, from its beginning.
 *
 * @throws Fault `no_space`, `broken_disk`; whatever `content` throws.
 */
export async function write(path: string, content: AsyncIterable<Uint8Array>): Promise<Written> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of content) {
      hash.update(chunk)
      sizeBytes += chunk.byteLength
      yield chunk
      crashPoint('result: half written')
    }
  }
  let handle: FileHandle | undefined
  try {
    handle = await open(path, 'w')
    await handle.writeFile(counted())
  } catch (error) {
    await handle?.close().catch(() => {})
    throw asFault(error)
  }
  return { result: { sizeBytes, sha256: hash.digest('hex') }, handle }
}

/** Renames durably, within a directory or from elsewhere on the same disk. */
export async function renameDurably(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    throw asFault(error)
  }
  await syncDirectory(dirname(to))
}

/** Writes a small file and flushes it, or leaves none; its name is not durable yet. */
export async function writeFlushed(path: string, text: string): Promise<void> {
  try {
    const handle = await open(path, 'w')
    await handle.writeFile(text).catch(async (error: unknown) => {
      await handle.close()
      throw error
    })
    await flush(handle)
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
