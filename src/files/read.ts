import { open, readFile } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { systemCode } from '../domain/errors.ts'

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

/** The text of a small file; `undefined` if it is not there. */
export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

const lastBytes = 2048
const longestLine = 300

/** The last line of a text file that is not empty, cut and made printable; empty without one. */
export async function lastLine(file: string): Promise<string> {
  await using handle = await open(file, 'r')
  const { size } = await handle.stat()
  const length = Math.min(size, lastBytes)
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, size - length)
  const lines = buffer.toString('utf8', 0, bytesRead).split(/[\r\n]+/)
  const line = lines.findLast((one) => one.trim() !== '') ?? ''
  const printable = line.replaceAll(/\p{Cc}/gu, ' ').trim()
  return printable.length > longestLine ? `${printable.slice(0, longestLine)}...` : printable
}
