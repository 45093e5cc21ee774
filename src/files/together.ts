import { spend } from './spent.ts'

/** Each piece costs whoever takes it; this is where it costs next to nothing. */
const togetherBytes = 64 * 1024
/** Most of what there is, is smaller. */
const firstBytes = 4 * 1024

/**
 * The same bytes; small pieces come as one. They are copied as they come: what is kept for a while
 * outlives the collector's first look at it, and is garbage for long after.
 */
export async function* together(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let roomBytes = firstBytes
  let room: Buffer | undefined
  let filledBytes = 0
  for await (const piece of content) {
    if (room && filledBytes + piece.byteLength > roomBytes) {
      yield room.subarray(0, filledBytes)
      spend(filledBytes)
      room = undefined
      filledBytes = 0
      roomBytes = togetherBytes
    }
    if (piece.byteLength >= roomBytes) {
      yield piece
      continue
    }
    room ??= Buffer.allocUnsafeSlow(roomBytes)
    room.set(piece, filledBytes)
    filledBytes += piece.byteLength
  }
  if (room) yield room.subarray(0, filledBytes)
}
