import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'

/** Larger pieces are faster, and cost memory: it takes some hundred before they are collected. */
const pieceBytes = 64 * 1024

/**
 * A file from its beginning to its end.
 *
 * @param sizeBytes its size: a stream makes its buffer before it reads, and a large one for each
 *   small file would keep the garbage collector busy.
 * @throws if it cannot be opened, before anything was promised to a reader.
 */
export async function readFrom(file: string, sizeBytes: number): Promise<Readable> {
  const handle = await open(file, 'r')
  const highWaterMark = Math.min(pieceBytes, Math.max(1, sizeBytes))
  return handle.createReadStream({ highWaterMark })
}
