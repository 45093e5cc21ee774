import { promisify } from 'node:util'
import { open as openWith } from 'yauzl'
import type { Options, ZipFile } from 'yauzl'
import { messageOf, systemCode } from '../domain/errors.ts'

const open = promisify<string, Options, ZipFile>(openWith)

/**
 * Looks whether a ZIP is whole in its structure: its directory can be read to the end, and every
 * entry begins where that says and lies within the file. What is packed in it is not unpacked.
 *
 * @returns what is wrong with it; `undefined` if nothing is.
 * @throws an error of the system if the file cannot be read.
 */
export async function findZipDamage(file: string): Promise<string | undefined> {
  let zip: ZipFile | undefined
  try {
    // Names are not decoded: what an odd one means is for whoever unpacks it.
    zip = await open(file, { lazyEntries: true, autoClose: false, decodeStrings: false })
    for await (const entry of zip.eachEntry()) {
      const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true })
      if (fileDataStart + entry.compressedSize > zip.fileSize) return 'it is cut short'
    }
    return undefined
  } catch (error) {
    if (systemCode(error) !== undefined) throw error
    return messageOf(error)
  } finally {
    zip?.close()
  }
}
