/** Writes a multipart body: text fields, then files, streamed, of a size that is known before. */
import { randomUUID } from 'node:crypto'
import type { InputFile } from '../files/job-files.ts'
import { readPieces } from '../files/read.ts'
import { together } from '../files/together.ts'
import type { Watch } from '../server/gateway.ts'
import { Manifest, noting } from '../trust/manifest.ts'
import { sealBytes, sealPart } from '../trust/signature.ts'
import type { Signing } from '../trust/signer.ts'

export type MultipartBody = {
  readonly contentType: string
  readonly sizeBytes: number
  readonly content: () => AsyncGenerator<Uint8Array>
}

/** A small file that is not on disk. */
export type InlineFile = { readonly name: string; readonly content: string }

/**
 * A body for one of our clients.
 *
 * @param fields names and values.
 * @param signing signs the files, in a part that comes last: they are read once, and hashed then.
 */
export function multipartBody(
  fields: Readonly<Record<string, string>>,
  files: readonly InputFile[],
  signing?: Signing,
): MultipartBody {
  return writeBody(fields, files, [], encodedName, signing)
}

/**
 * The same for a 2.2.3 client, which drops files whose names are encoded.
 *
 * @param last more files, behind all others: of equal names the last one counts there.
 */
export function olderMultipartBody(
  files: readonly InputFile[],
  last: readonly InlineFile[],
): MultipartBody {
  return writeBody({}, files, last, quotedName)
}

function writeBody(
  fields: Readonly<Record<string, string>>,
  files: readonly InputFile[],
  last: readonly InlineFile[],
  filename: (path: string) => string,
  signing?: Signing,
): MultipartBody {
  const boundary = `job-orchestrator-${randomUUID()}`
  const fileHead = (path: string) =>
    head(boundary, `name="file"; ${filename(path)}`) +
    'Content-Type: application/octet-stream\r\n\r\n'
  const field = (name: string, value: string) =>
    `${head(boundary, `name="${name}"`)}\r\n${value}\r\n`
  const begin = Object.entries(fields)
    .map((entry) => field(...entry))
    .join('')
  // Of each of many files its head is made twice, and kept by nobody.
  const headBytes = (path: string) => Buffer.byteLength(fileHead(path))
  const inline = last.map(({ name, content }) => `${fileHead(name)}${content}\r\n`).join('')
  const sealed = (seal: string) => (signing ? field(sealPart, seal) : '')
  const end = (seal: string) => Buffer.from(`${inline}${sealed(seal)}--${boundary}--\r\n`)
  const sizes = files.map(({ path, sizeBytes }) => headBytes(path) + sizeBytes + 2)
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    sizeBytes: sizes.reduce(
      (sum, size) => sum + size,
      Buffer.byteLength(begin) + end(' '.repeat(sealBytes)).byteLength,
    ),
    content: () => together(pieces(Buffer.from(begin), files, fileHead, end, signing)),
  }
}

async function* pieces(
  begin: Buffer,
  files: readonly InputFile[],
  fileHead: (path: string) => string,
  end: (seal: string) => Buffer,
  signing: Signing | undefined,
): AsyncGenerator<Uint8Array> {
  const manifest = signing && new Manifest()
  yield begin
  for (const file of files) {
    yield Buffer.from(fileHead(file.path))
    const content = readPieces(file.file, file.sizeBytes)
    yield* manifest ? noting(manifest, file.path, content) : content
    yield Buffer.from('\r\n')
  }
  yield end(signing && manifest ? signing.seal(manifest) : '')
}

function head(boundary: string, disposition: string): string {
  return `--${boundary}\r\nContent-Disposition: form-data; ${disposition}\r\n`
}

/**
 * A plain name as it is, which everybody understands; any other with its bytes percent-encoded,
 * as RFC 5987 says and busboy reads it, because browsers and servers disagree about quoting.
 */
function encodedName(path: string): string {
  if (/^[\w./ @+=,~-]+$/.test(path)) return quotedName(path)
  const encoded = [...Buffer.from(path)]
    .map((byte) => {
      const character = String.fromCharCode(byte)
      return /[\w.~-]/.test(character)
        ? character
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    })
    .join('')
  return `filename*=utf-8''${encoded}`
}

/** As browsers write it, but for a quotation mark, which they percent-encode. */
function quotedName(path: string): string {
  return `filename="${path.replaceAll('"', '\\"')}"`
}

/** The same content; tells of each piece that is taken, and when the last one has been. */
export async function* watched(
  content: AsyncGenerator<Uint8Array>,
  onProgress: Watch['onProgress'],
): AsyncGenerator<Uint8Array> {
  let leftBytes = 0
  for await (const piece of content) {
    yield piece
    leftBytes += piece.byteLength
    onProgress({ leftBytes, isSent: false })
  }
  onProgress({ leftBytes, isSent: true })
}
