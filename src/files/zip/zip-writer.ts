/**
 * Writes a ZIP, piece by piece, and holds nothing of what it has written but the directory.
 *
 * It is our own because of what a job's result is most often, a few small files, and what it may be,
 * a great many or one of many GiB: libraries set up streams for each small file, keep all of them
 * until the end, or write what is larger than 4 GiB wrong (docs/performance.md has the figures).
 */
import { Readable, pipeline } from 'node:stream'
import { crc32, createDeflateRaw, deflateRawSync } from 'node:zlib'
import { Directory } from './directory.ts'
import {
  dataDescriptor,
  directoryEnd,
  directoryHeader,
  localHeader,
  mayBeLarge,
} from './records.ts'
import type { EntryBody, EntryHead, Listed } from './records.ts'

/** Level 6 is a tenth slower and hardly smaller; below this size nothing is worth the trouble. */
const level = 1
const leastDeflatedBytes = 1024

/** Of what is deflated elsewhere: fewer and larger pieces cost less. */
const pieceBytes = 256 * 1024

/** Room for what came out no smaller; without saying so, 16 KiB are taken for each. */
function deflateSmall(content: Uint8Array): Uint8Array {
  return deflateRawSync(content, { level, chunkSize: content.byteLength + 1024 })
}

export class ZipWriter {
  readonly #directory = new Directory()
  #offsetBytes = 0

  /** An entry whose content is there; a directory and a link are such, too. */
  small(head: EntryHead, content: Uint8Array): Buffer {
    const isDeflated = content.byteLength >= leastDeflatedBytes
    const packed = isDeflated ? deflateSmall(content) : content
    const body: EntryBody = {
      isDeflated,
      crc32: crc32(content),
      sizeBytes: content.byteLength,
      packedBytes: packed.byteLength,
    }
    const offsetBytes = this.#offsetBytes
    const entry = Buffer.concat([localHeader(head, body, false), packed])
    this.#offsetBytes += entry.byteLength
    this.#list({ head, body, isStreamed: false, offsetBytes })
    return entry
  }

  /**
   * An entry whose content comes.
   *
   * @param mostBytes as long as it can be.
   * @throws what `content` throws; the archive is of no use then.
   */
  async *large(
    head: EntryHead,
    content: AsyncIterable<Uint8Array>,
    mostBytes: number,
  ): AsyncGenerator<Buffer> {
    const isLarge = mayBeLarge(mostBytes)
    const offsetBytes = this.#offsetBytes
    yield this.#written(localHeader(head, undefined, isLarge))
    const body = { isDeflated: true, crc32: 0, sizeBytes: 0, packedBytes: 0 }
    const counted = async function* () {
      for await (const piece of content) {
        body.crc32 = crc32(piece, body.crc32)
        body.sizeBytes += piece.byteLength
        yield piece
      }
    }
    const deflate = createDeflateRaw({ level, chunkSize: pieceBytes })
    const source = Readable.from(counted(), { objectMode: false })
    pipeline(source, deflate, () => {}) // whoever reads is told what goes wrong
    for await (const piece of deflate as AsyncIterable<Buffer>) {
      body.packedBytes += piece.byteLength
      yield this.#written(piece)
    }
    yield this.#written(dataDescriptor(body, isLarge))
    this.#list({ head, body, isStreamed: true, offsetBytes })
  }

  /** The end of the archive. */
  *end(): Generator<Buffer> {
    const offsetBytes = this.#offsetBytes
    let sizeBytes = 0
    for (const piece of this.#directory.pieces()) {
      sizeBytes += piece.byteLength
      yield piece
    }
    yield directoryEnd(this.#directory.count, offsetBytes, sizeBytes)
  }

  #written(piece: Buffer): Buffer {
    this.#offsetBytes += piece.byteLength
    return piece
  }

  #list(listed: Listed): void {
    this.#directory.add(directoryHeader(listed))
  }
}
