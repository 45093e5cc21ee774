import type { Fault } from '../domain/errors.ts'
import type { Content } from './durable.ts'

/** A stream that counts its bytes, and throws where it becomes too long or is broken off. */
export function limited(
  content: Content,
  mostBytes: number,
  tooLong: () => Fault,
  signal?: AbortSignal,
): AsyncIterable<Uint8Array> & { readonly sizeBytes: number } {
  let sizeBytes = 0
  return {
    get sizeBytes() {
      return sizeBytes
    },
    async *[Symbol.asyncIterator]() {
      for await (const chunk of content) {
        signal?.throwIfAborted()
        sizeBytes += chunk.byteLength
        if (sizeBytes > mostBytes) throw tooLong()
        yield chunk
      }
    },
  }
}
