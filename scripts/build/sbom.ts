/** What is built in, for programs that look for vulnerabilities: CycloneDX 1.6, as JSON. */
import description from '../../package.json' with { type: 'json' }
import type { BuiltIn } from './packages.ts'

/**
 * The same sources make the same bytes: it has neither a time nor a serial number.
 *
 * @param node version of the Node.js that is in it, if one is.
 */
export function sbom(packages: readonly BuiltIn[], node?: string): string {
  const { name, version, license } = description
  const components = packages.map(componentOf)
  const all = node === undefined ? components : [nodeOf(node), ...components]
  const own = refOf(name, version)
  return `${JSON.stringify(
    {
      bomFormat: 'CycloneDX',
      specVersion: '1.6',
      version: 1,
      metadata: {
        component: {
          type: 'application',
          'bom-ref': own,
          name,
          version,
          licenses: [{ license: { id: license } }],
        },
      },
      components: all,
      dependencies: [{ ref: own, dependsOn: all.map((one) => one['bom-ref']) }],
    },
    null,
    1,
  )}\n`
}

function componentOf({ name, version, licence, sha512 }: BuiltIn) {
  const purl = refOf(name, version)
  return {
    type: 'library',
    'bom-ref': purl,
    name,
    version,
    purl,
    licenses: [{ license: { id: licence } }],
    ...(sha512 !== undefined && { hashes: [{ alg: 'SHA-512', content: sha512 }] }),
  }
}

function nodeOf(version: string) {
  const purl = `pkg:generic/node@${version}`
  const cpe = `cpe:2.3:a:nodejs:node.js:${version}:*:*:*:lts:*:*:*`
  return { type: 'platform', 'bom-ref': purl, name: 'node', version, purl, cpe }
}

function refOf(name: string, version: string): string {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`
}
