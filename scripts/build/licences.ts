/** The licences of the packages whose code is built in. */
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'

type Description = { readonly name: string; readonly version: string; readonly license?: string }

/** What has no package of its own in node_modules, but comes within one that has. */
const within = [
  {
    name: 'swagger-ui',
    license: 'Apache-2.0',
    text: 'Copyright SmartBear Software Inc.\nhttps://www.apache.org/licenses/LICENSE-2.0',
  },
]

/**
 * @param inputs files that went into the bundle, as paths below `root`.
 * @throws when a package has no licence.
 */
export async function collectLicences(
  root: string,
  inputs: readonly string[],
): Promise<{ readonly text: string; readonly packages: number }> {
  const directories = new Set(['node_modules/@fastify/swagger-ui'])
  for (const input of inputs) {
    const found = /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(input)
    if (found) directories.add(found[0])
  }
  const parts = await Promise.all([...directories].toSorted().map((one) => describe(root, one)))
  const others = within.map(({ name, license, text }) => `${name} (${license})\n\n${text}\n`)
  return { text: [...parts, ...others].join(`\n${'-'.repeat(80)}\n\n`), packages: parts.length }
}

async function describe(root: string, directory: string): Promise<string> {
  const text = await readFile(join(root, directory, 'package.json'), 'utf8')
  const { name, version, license } = JSON.parse(text) as Description
  const names = (await readdir(join(root, directory))).filter((file) =>
    /^(licen[cs]e|notice|copying)/i.test(file),
  )
  const texts = await Promise.all(
    names.toSorted().map((file) => readFile(join(root, directory, file), 'utf8')),
  )
  if (!license && texts.length === 0) throw new Error(`${directory} says nothing of its licence`)
  const kind = license ? ` (${license})` : ''
  const body = texts.map((one) => one.trim()).join('\n\n') || '(It comes without its text.)'
  return `${name} ${version}${kind}\n\n${body}\n`
}
