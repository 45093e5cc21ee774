import { constants, readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { systemCode } from '../domain/errors.ts'
import { spend } from './spent.ts'

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants

/** Larger pieces are faster, and cost memory: it takes some hundred before they are collected. */
const pieceBytes = 256 * 1024

const smallBytes = 64 * 1024

/** A small file costs less than what a stream of it would. */
const isSmall = (sizeBytes: number) => sizeBytes <= smallBytes

/**
 * A file from its beginning to its end: whole, if it is small.
 *
 * @param sizeBytes its size.
 * @throws if it cannot be opened, before anything was promised to a reader; a small one also if it
 *   cannot be read.
 */
export async function readFrom(file: string, sizeBytes: number): Promise<Readable | Buffer> {
  return isSmall(sizeBytes) ? readFileSync(file) : openStream(file)
}

/** The same, in pieces. */
export async function* readPieces(file: string, sizeBytes: number): AsyncGenerator<Uint8Array> {
  if (isSmall(sizeBytes)) yield readFileSync(file)
  else yield* await openStream(file)
}

async function openStream(file: string): Promise<Readable> {
  const handle = await open(file, 'r')
  const stream = handle.createReadStream({ highWaterMark: pieceBytes })
  stream.on('data', ({ length }) => spend(length))
  stream.pause() // to listen is not to ask
  return stream
}

/** The text of a small file; `undefined` if it is not there. */
export function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

const lastBytes = 2048
const longestLine = 300

/**
 * The last line of a text file that is not empty, cut and made printable; empty without one.
 *
 * @param file its script may have put something else in its place, on which others wait.
 * @throws errors of the system; also where it is a link.
 */
export async function lastLine(file: string): Promise<string> {
  await using handle = await open(file, O_RDONLY | O_NONBLOCK | O_NOFOLLOW)
  const stats = await handle.stat()
  if (!stats.isFile()) return ''
  const { size } = stats
  const length = Math.min(size, lastBytes)
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, size - length)
  const lines = buffer.toString('utf8', 0, bytesRead).split(/[\r\n]+/)
  const line = lines.findLast((one) => one.trim() !== '') ?? ''
  const printable = line.replaceAll(/\p{Cc}/gu, ' ').trim()
  return printable.length > longestLine ? `${printable.slice(0, longestLine)}...` : printable
}
