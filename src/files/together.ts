/** Each piece costs whoever takes it; this is where it costs next to nothing. */
const togetherBytes = 64 * 1024

/** The same bytes; small pieces come as one. */
export async function* together(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let waiting: Uint8Array[] = []
  let sizeBytes = 0
  for await (const piece of content) {
    waiting.push(piece)
    sizeBytes += piece.byteLength
    if (sizeBytes < togetherBytes) continue
    yield waiting.length === 1 ? piece : Buffer.concat(waiting)
    waiting = []
    sizeBytes = 0
  }
  if (sizeBytes > 0) yield Buffer.concat(waiting)
}
