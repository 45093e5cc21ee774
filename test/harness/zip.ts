import { buffer } from 'node:stream/consumers'
import { fromBuffer } from 'yauzl'
import type { Entry, ZipFile } from 'yauzl'

/** One entry of an archive; `mode` has the type bits too, as in stat(2). */
type ZipEntry = { readonly mode: number; readonly mtime: Date; readonly content: Buffer }
export type ZipEntries = ReadonlyMap<string, ZipEntry>

/** Reads a whole archive, and so checks its structure and every checksum. */
export async function readZip(bytes: Buffer): Promise<ZipEntries> {
  const zip = await open(bytes)
  const { promise, resolve, reject } = Promise.withResolvers<ZipEntries>()
  const entries = new Map<string, ZipEntry>()
  zip.on('error', reject)
  zip.on('end', () => resolve(entries))
  const take = async (entry: Entry): Promise<void> => {
    const content = await read(zip, entry)
    const mode = entry.externalFileAttributes >>> 16
    entries.set(entry.fileName, { mode, mtime: entry.getLastModDate(), content })
    zip.readEntry()
  }
  zip.on('entry', (entry: Entry) => void take(entry).catch(reject))
  zip.readEntry()
  return promise
}

function open(bytes: Buffer): Promise<ZipFile> {
  const { promise, resolve, reject } = Promise.withResolvers<ZipFile>()
  fromBuffer(bytes, { lazyEntries: true }, (error, zip) => (error ? reject(error) : resolve(zip)))
  return promise
}

function read(zip: ZipFile, entry: Entry): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  zip.openReadStream(entry, (error, stream) => {
    if (error) reject(error)
    else buffer(stream).then(resolve, reject)
  })
  return promise
}
