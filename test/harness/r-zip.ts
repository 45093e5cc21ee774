/** The ZIP that a client of version 2.2.3 makes of a work directory. */
import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { ZipFile } from 'yazl'

const itself = 'output.zip'

/** Everything in the directory, as it is now. */
export function packNow(directory: string): Promise<Buffer> {
  return pack(directory, [])
}

/**
 * What is named `output.zip` there, whoever made it. If nothing is, it is made, in the directory
 * that it packs, and so has a piece of itself in it.
 */
export async function packOnce(directory: string): Promise<Buffer> {
  const file = join(directory, itself)
  const made = await readFile(file).catch(() => undefined)
  if (made) return made
  const zip = await pack(directory, [[itself, Buffer.from('PK\u0003\u0004 a piece of an archive')]])
  await writeFile(file, zip)
  return zip
}

async function pack(
  directory: string,
  more: readonly (readonly [string, Buffer])[],
): Promise<Buffer> {
  const zip = new ZipFile()
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name)
    const name = path.slice(directory.length + 1)
    if (entry.isDirectory()) zip.addEmptyDirectory(name, { mode: 0o40755 })
    else zip.addBuffer(await readFile(path), name, { mode: 0o100755 })
  }
  for (const [name, content] of more) zip.addBuffer(content, name, { mode: 0o100755 })
  zip.end()
  return buffer(zip.outputStream)
}
