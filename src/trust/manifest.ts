import { createHash } from 'node:crypto'

/** A file as it was sent, or has come. */
export type FileDigest = {
  readonly path: string
  readonly sizeBytes: number
  /** In lower-case hexadecimal. */
  readonly sha256: string
}

/**
 * The files of a body, in their order: one digest of all names, sizes and contents. It grows while
 * the body streams, and is as small for a million files as for one.
 */
export class Manifest {
  readonly #hash = createHash('sha256')

  /** No two lists of files give the same lines: the length says where a path ends. */
  add({ path, sizeBytes, sha256 }: FileDigest): void {
    this.#hash.update(`${sha256} ${sizeBytes} ${Buffer.byteLength(path)} ${path}\n`)
  }

  /** Once, when all have been added. */
  digest(): string {
    return this.#hash.digest('hex')
  }
}

/** The same stream; adds it to a manifest when it has ended. */
export async function* noting(
  manifest: Manifest,
  path: string,
  content: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  for await (const piece of content) {
    hash.update(piece)
    sizeBytes += piece.byteLength
    yield piece
  }
  manifest.add({ path, sizeBytes, sha256: hash.digest('hex') })
}
