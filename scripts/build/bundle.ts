/**
 * All code in one file of JavaScript, and what goes with it beside it.
 *
 * It is CommonJS, for that is what Node keeps compiled code for in an executable. A module still
 * runs only when it is imported, so that each mode loads only what it needs.
 */
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { licencesName } from '../../src/embedded.ts'
import { pageFiles } from '../../src/http/server/page.ts'
import { licenceTexts } from './licences.ts'
import { findPackages } from './packages.ts'
import type { BuiltIn } from './packages.ts'
import { sbom } from './sbom.ts'

export type Bundle = {
  /** The code. */
  readonly main: string
  /** What the program reads by these names, and where it is. */
  readonly files: Readonly<Record<string, string>>
  /** Whose code is in it. */
  readonly packages: readonly BuiltIn[]
}

/** What is in it, beside it. */
export const sbomName = 'sbom.cdx.json'

/** @param directory is made anew. */
export async function makeBundle(root: string, directory: string): Promise<Bundle> {
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { recursive: true })
  const main = join(directory, 'main.cjs')
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: ['src/main.ts'],
    outfile: main,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    // Names stay, for the stacks of errors, and so do lines, of which a crash shows one.
    minifyWhitespace: true,
    minifySyntax: true,
    lineLimit: 120,
    legalComments: 'none',
    metafile: true,
    logLevel: 'warning',
    // Where it is not known, it is not asked for (src/embedded.ts).
    logOverride: { 'empty-import-meta': 'silent' },
    define: { bundleDirectory: '__dirname' },
  })
  const swagger = join(dirname(fileURLToPath(import.meta.resolve('@fastify/swagger-ui'))), 'static')
  const files: Record<string, string> = {}
  for (const name of Object.keys(pageFiles)) {
    files[name] = join(directory, name)
    await copyFile(join(swagger, name), join(directory, name))
  }
  const packages = await findPackages(root, Object.keys(metafile.inputs))
  files[licencesName] = join(directory, licencesName)
  await writeFile(join(directory, licencesName), await licenceTexts(root, packages))
  await writeFile(join(directory, sbomName), sbom(packages))
  return { main, files, packages }
}
