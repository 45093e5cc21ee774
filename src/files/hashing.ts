/** Hashes of what passes by. */
import { createHash } from 'node:crypto'

/** The same stream; tells its SHA-256, in lower-case hexadecimal, when it has ended. */
export async function* hashing(
  content: AsyncIterable<Uint8Array>,
  onEnd: (sha256: string) => void,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  for await (const chunk of content) {
    hash.update(chunk)
    yield chunk
  }
  onEnd(hash.digest('hex'))
}

/** SHA-256 of a stream, of which nothing is kept. */
export async function sha256Of(content: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of content) hash.update(chunk)
  return hash.digest('hex')
}
