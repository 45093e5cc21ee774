/**
 * The headers of a ZIP's central directory, until the end, where they are written.
 *
 * They are copied: a small Buffer of Node.js is a piece of a larger one, which it keeps together
 * with whatever else has a piece of that, such as the contents of files.
 */

const blockBytes = 64 * 1024

export class Directory {
  readonly #blocks: Buffer[] = []
  #filledBytes = 0
  #count = 0

  get count(): number {
    return this.#count
  }

  /** @param header at most 64 KiB and a little: a name has no more. */
  add(header: Uint8Array): void {
    let block = this.#blocks.at(-1)
    if (!block || this.#filledBytes + header.byteLength > block.byteLength) {
      if (block) this.#blocks[this.#blocks.length - 1] = block.subarray(0, this.#filledBytes)
      block = Buffer.allocUnsafeSlow(Math.max(this.#nextBytes, header.byteLength))
      this.#blocks.push(block)
      this.#filledBytes = 0
    }
    block.set(header, this.#filledBytes)
    this.#filledBytes += header.byteLength
    this.#count++
  }

  /** All of it, in the order in which it came. */
  *pieces(): Generator<Buffer> {
    const last = this.#blocks.at(-1)
    yield* this.#blocks.slice(0, -1)
    if (last) yield last.subarray(0, this.#filledBytes)
  }

  /** Most archives have a few files. */
  get #nextBytes(): number {
    return this.#blocks.length === 0 ? blockBytes / 64 : blockBytes
  }
}
