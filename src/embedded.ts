/** Files that go with the program: the API page's, and the licences of what is built in. */
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { getRawAsset, isSea } from 'node:sea'
import { fileURLToPath } from 'node:url'

/** Where the bundle is, in one; in a checkout there is no such name (scripts/build/bundle.ts). */
declare const bundleDirectory: string

export const licencesName = 'THIRD-PARTY-LICENSES'

/**
 * Content of a file, by its name: a part of the executable, a file beside the bundle, or, in a
 * checkout, a file of Swagger UI where npm has put it.
 *
 * @throws when there is none of this name.
 */
export async function readEmbedded(name: string): Promise<Buffer> {
  // The executable is mapped into memory, and this is the place there: nothing is copied.
  if (isSea()) return Buffer.from(getRawAsset(name))
  if (typeof bundleDirectory === 'string') return readFile(join(bundleDirectory, name))
  const plugin = fileURLToPath(import.meta.resolve('@fastify/swagger-ui'))
  return readFile(join(dirname(plugin), 'static', name))
}

/** The licences of the packages that are built in. */
export async function readLicences(): Promise<string> {
  if (!isSea() && typeof bundleDirectory !== 'string') {
    return 'This is a checkout: each package in node_modules has its own licence.'
  }
  return (await readEmbedded(licencesName)).toString().trimEnd()
}
