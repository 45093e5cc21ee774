/** What is small enough to be had in memory. */
import { createHash } from 'node:crypto'
import type { Result } from '../domain/job.ts'
import { mostToldBytes } from '../domain/protocol.ts'

/** A small result. */
export type Small = { readonly zip: Uint8Array; readonly result: Result }

/**
 * Reads a stream as far as it is small.
 *
 * @returns `small` if all of it is; `content` is all of it in any case.
 * @throws whatever `content` throws.
 */
export async function ifSmall(content: AsyncIterable<Uint8Array>): Promise<{
  readonly small: Small | undefined
  readonly content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>
}> {
  const pieces: Uint8Array[] = []
  const reader = content[Symbol.asyncIterator]()
  let sizeBytes = 0
  for (let next = await reader.next(); !next.done; next = await reader.next()) {
    pieces.push(next.value)
    sizeBytes += next.value.byteLength
    if (sizeBytes > mostToldBytes) return { small: undefined, content: rest(pieces, reader) }
  }
  const zip = Buffer.concat(pieces)
  const sha256 = createHash('sha256').update(zip).digest('hex')
  return { small: { zip, result: { sizeBytes, sha256 } }, content: [zip] }
}

async function* rest(
  pieces: readonly Uint8Array[],
  reader: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces
    for (let next = await reader.next(); !next.done; next = await reader.next()) yield next.value
  } finally {
    await reader.return?.()
  }
}
