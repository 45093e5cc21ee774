/** The packages whose code is built in: which they are, and under which licences. */
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'

export type BuiltIn = {
  readonly name: string
  readonly version: string
  /** By its SPDX identifier. */
  readonly licence: string
  /** As they come with it; none, if it brings none. */
  readonly texts: readonly string[]
  /** SHA-512 of what npm fetched, in hex, as package-lock.json has it. */
  readonly sha512: string | undefined
}

/** Whose code may be built in: licences that ask for no more than that they are told. */
const allowed = new Set(['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', '0BSD'])

const plugin = 'node_modules/@fastify/swagger-ui'

type Description = {
  readonly name: string
  readonly version: string
  readonly license?: unknown
  /** Of old packages. */
  readonly licenses?: readonly { readonly type?: unknown }[]
  readonly devDependencies?: Readonly<Record<string, string>>
}

type Lock = { readonly packages: Readonly<Record<string, { readonly integrity?: string }>> }

/**
 * @param inputs files that went into the bundle, as paths below `root`.
 * @throws when a package has no licence, or one that is not known to be harmless.
 */
export async function findPackages(root: string, inputs: readonly string[]): Promise<BuiltIn[]> {
  const directories = new Set([plugin])
  for (const input of inputs) {
    const found = /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(input)
    if (found) directories.add(found[0])
  }
  const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as Lock
  const all = await Promise.all(
    [...directories].toSorted().map((directory) => describe(root, directory, lock)),
  )
  // One that several others bring is there several times.
  const each = new Map(all.map((one) => [`${one.name} ${one.version}`, one]))
  return [...each.values(), await swaggerUi(root)]
}

async function describe(root: string, directory: string, lock: Lock): Promise<BuiltIn> {
  const described = await read(root, directory)
  const { name, version, license, licenses } = described
  const names = (await readdir(join(root, directory))).filter((file) =>
    /^(licen[cs]e|notice|copying)/i.test(file),
  )
  const texts = await Promise.all(
    names.toSorted().map((file) => readFile(join(root, directory, file), 'utf8')),
  )
  const licence = allow(`${name} ${version}`, license ?? licenses?.[0]?.type)
  const [, base64] = /^sha512-(.*)$/.exec(lock.packages[directory]?.integrity ?? '') ?? []
  const sha512 = base64 && Buffer.from(base64, 'base64').toString('hex')
  return { name, version, licence, texts: texts.map((text) => text.trim()), sha512 }
}

/** What has no package of its own in node_modules, but comes within one that has. */
async function swaggerUi(root: string): Promise<BuiltIn> {
  const name = 'swagger-ui-dist'
  const version = (await read(root, plugin)).devDependencies?.[name]
  if (version === undefined) throw new Error(`${plugin} does not say which ${name} it brings`)
  const text = 'Copyright SmartBear Software Inc.'
  return { name, version, licence: 'Apache-2.0', texts: [text], sha512: undefined }
}

function allow(which: string, licence: unknown): string {
  if (typeof licence === 'string' && allowed.has(licence)) return licence
  throw new Error(
    `${which} has the licence ${JSON.stringify(licence)}: look at it, and do without the package ` +
      'or add the licence to scripts/build/packages.ts',
  )
}

async function read(root: string, directory: string): Promise<Description> {
  return JSON.parse(await readFile(join(root, directory, 'package.json'), 'utf8')) as Description
}
