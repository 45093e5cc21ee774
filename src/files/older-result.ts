/**
 * The ZIP that a 2.2.3 client gives: checked, and made into one of ours.
 *
 * It comes without a checksum, may be cut, may be another payload's (see `domain/marker.ts`), and
 * may hold a piece of itself, for it is written into the directory that it packs.
 */
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { crc32 } from 'node:zlib'
import { openPromise } from 'yauzl'
import type { Entry, ZipFile as Archive } from 'yauzl'
import { Fault, messageOf } from '../domain/errors.ts'
import { exitFile, isMarkerName } from '../domain/marker.ts'
import type { Marker } from '../domain/marker.ts'
import { entryName } from './archive.ts'
import { ZipWriter } from './zip/zip-writer.ts'

/** What such a client packs into the work directory, while it packs it. */
const itself = 'output.zip'

/** A marker or an exit code is never longer. */
const mostSmallBytes = 64

export type OlderResult = {
  /** The ZIP without the marker; throws a `Fault` `invalid` if an entry is damaged. */
  readonly content: AsyncIterable<Uint8Array>
  /** What run.sh's trap wrote; `null` if it wrote none. */
  readonly exitCode: number | null
}

/**
 * Reads a ZIP of a 2.2.3 client.
 *
 * @param hasItself whether `output.zip` is the client's own, and is left out.
 * @throws Fault `invalid` if it is not a whole ZIP; `conflict` if it is not the client's own, or
 *   lacks the marker, and so is another payload's, or has another marker too, and so comes from a
 *   directory that was another payload's before.
 */
export async function readOlderResult(
  file: string,
  marker: Marker,
  hasItself: boolean,
): Promise<OlderResult> {
  const small = await readSmall(file)
  const exit = /^\s*(\d{1,3})\s*$/.exec(small.get(exitFile) ?? '')?.[1]
  if (hasItself && exit === undefined) {
    // It packs when there is an exit code, scripts pack before.
    throw new Fault('conflict', 'it has no exit code in it: it was packed by the script')
  }
  if (small.get(marker.name) !== marker.content) {
    throw new Fault('conflict', 'its marker is not in it: it is the result of another payload')
  }
  if (small.keys().some((name) => isMarkerName(name) && name !== marker.name)) {
    throw new Fault(
      'conflict',
      'its client gave it the directory of an earlier payload, with the files that were in it: ' +
        'remove what is in the data directory of that client',
    )
  }
  const leftOut = new Set([marker.name])
  if (hasItself) leftOut.add(itself)
  // It was sent along, empty, and the script wrote nothing to it.
  if (small.get(exitFile) === '') leftOut.add(exitFile)
  return { content: repack(file, leftOut), exitCode: exit === undefined ? null : Number(exit) }
}

/** The contents of markers and of the exit file, by their names. */
async function readSmall(file: string): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for await (const { archive, entry, name } of eachEntry(file)) {
    if (!isMarkerName(name) && name !== exitFile) continue
    if (entry.uncompressedSize > mostSmallBytes) continue
    const content = await buffer(Readable.from(readEntry(archive, entry)))
    found.set(name, content.toString())
  }
  return found
}

async function* repack(file: string, leftOut: ReadonlySet<string>): AsyncGenerator<Uint8Array> {
  const zip = new ZipWriter()
  for await (const { archive, entry, name } of eachEntry(file)) {
    if (leftOut.has(name) || isUnsafe(name)) continue
    const isDirectory = name.endsWith('/')
    const head = {
      name: entryName(name),
      mode: entry.externalFileAttributes >>> 16 || (isDirectory ? 0o040775 : 0o100664),
      mtime: entry.getLastModDate(),
    }
    if (isDirectory) yield zip.small(head, Buffer.alloc(0))
    else yield* zip.large(head, readEntry(archive, entry), entry.uncompressedSize)
  }
  yield* zip.end()
}

/** Names that nobody unpacks; no client makes them, but one is not to spoil the others. */
function isUnsafe(name: string): boolean {
  return /^[/\\]|^$/.test(name) || name.split(/[/\\]/).includes('..')
}

type Visited = { readonly archive: Archive; readonly entry: Entry; readonly name: string }

/** @throws Fault `invalid` for whatever is wrong with the ZIP. */
async function* eachEntry(file: string): AsyncGenerator<Visited> {
  try {
    // Undecoded: yauzl would refuse the whole archive for a name such as "A:chain".
    const options = { lazyEntries: true, autoClose: false, decodeStrings: false }
    const archive = await openPromise(file, options)
    try {
      for await (const entry of archive.eachEntry()) {
        yield { archive, entry, name: entry.fileNameRaw.toString() }
      }
    } finally {
      archive.close()
    }
  } catch (error) {
    throw notWhole(error)
  }
}

function notWhole(error: unknown): Fault {
  return new Fault('invalid', `it is not a whole ZIP: ${messageOf(error)}`, { cause: error })
}

/** @throws Fault `invalid` where the content of an entry is damaged. */
async function* readEntry(archive: Archive, entry: Entry): AsyncGenerator<Uint8Array> {
  let checksum = 0
  try {
    for await (const chunk of await archive.openReadStreamPromise(entry)) {
      checksum = crc32(chunk as Uint8Array, checksum)
      yield chunk as Uint8Array
    }
  } catch (error) {
    throw notWhole(error)
  }
  if (checksum !== entry.crc32) {
    throw notWhole(new Error(`the checksum of ${entry.fileNameRaw.toString()} is wrong`))
  }
}
