/** What is built in: whose it is, under which licences, and that both are told. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { makeBundle, sbomName } from '../scripts/build/bundle.ts'
import type { Bundle } from '../scripts/build/bundle.ts'
import { findPackages } from '../scripts/build/packages.ts'
import { licencesName } from '../src/embedded.ts'

const root = join(import.meta.dirname, '..')

type Component = {
  readonly name: string
  readonly version: string
  readonly purl: string
  readonly licenses: readonly { readonly license: { readonly id: string } }[]
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[]
}
type Sbom = {
  readonly bomFormat: string
  readonly components: readonly Component[]
  readonly dependencies: readonly [{ readonly dependsOn: readonly string[] }]
}
type Lock = {
  readonly packages: Readonly<Record<string, { version: string; integrity?: string }>>
}

let directory: string
let bundle: Bundle

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
  bundle = await makeBundle(root, join(directory, 'bundle'))
})
after(() => rm(directory, { recursive: true, force: true }))

test('the bill of materials has every package that is built in, as the lock file has it', async () => {
  const text = await readFile(join(directory, 'bundle', sbomName), 'utf8')
  const { bomFormat, components, dependencies } = JSON.parse(text) as Sbom
  assert.equal(bomFormat, 'CycloneDX')
  assert.equal(components.length, bundle.packages.length)
  assert.ok(components.length > 30, `it has ${components.length}`)
  const refs = components.map(({ purl }) => purl)
  assert.equal(new Set(refs).size, refs.length, 'one is there twice')
  assert.deepEqual(dependencies[0].dependsOn, refs)
  const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as Lock
  const locked = new Set(Object.values(lock.packages).map(({ integrity }) => integrity))
  for (const { name, hashes, licenses } of components) {
    assert.match(licenses[0]?.license.id ?? '', /^[\w.-]+$/, name)
    if (name === 'swagger-ui-dist') continue
    const [hash] = hashes ?? []
    assert.equal(hash?.alg, 'SHA-512', name)
    assert.ok(locked.has(`sha512-${Buffer.from(hash.content, 'hex').toString('base64')}`), name)
  }
  for (const name of ['fastify', 'busboy', 'typebox', 'undici', 'pino']) {
    assert.ok(
      components.some((one) => one.name === name),
      `${name} is missing`,
    )
  }
})

test('the version of Swagger UI is that of its code', async () => {
  const told = bundle.packages.find(({ name }) => name === 'swagger-ui-dist')?.version
  const code = await readFile(bundle.files['swagger-ui-bundle.js'] ?? '', 'utf8')
  assert.ok(code.includes(`PACKAGE_VERSION:"${told}"`), told)
})

test('the text of every licence is there', async () => {
  const text = await readFile(bundle.files[licencesName] ?? '', 'utf8')
  const parts = text.split(`\n${'-'.repeat(80)}\n`)
  assert.equal(parts.length, bundle.packages.length)
  for (const { name, version, licence } of bundle.packages) {
    const part = parts.find((one) => one.trim().startsWith(`${name} ${version} (${licence})\n`))
    assert.match(part ?? '', /permission|redistribution|terms and conditions/i, name)
  }
})

test('a package without a licence, or with one that asks for more, is not built in', async () => {
  const wrong = join(directory, 'wrong')
  const add = async (name: string, description: object) => {
    await mkdir(join(wrong, 'node_modules', name), { recursive: true })
    const text = JSON.stringify({ name, version: '1.0.0', ...description })
    await writeFile(join(wrong, 'node_modules', name, 'package.json'), text)
  }
  const devDependencies = { 'swagger-ui-dist': '1.0.0' }
  await add('@fastify/swagger-ui', { license: 'MIT', devDependencies })
  await add('free', { license: 'ISC' })
  await add('strict', { license: 'AGPL-3.0-only' })
  await add('silent', {})
  await writeFile(join(wrong, 'package-lock.json'), '{"packages":{}}')
  const find = (name: string) => findPackages(wrong, [`node_modules/${name}/index.js`])
  assert.deepEqual(
    (await find('free')).map(({ name }) => name),
    ['@fastify/swagger-ui', 'free', 'swagger-ui-dist'],
  )
  await assert.rejects(find('strict'), /strict 1\.0\.0 has the licence "AGPL-3\.0-only"/)
  await assert.rejects(find('silent'), /silent 1\.0\.0 has the licence undefined/)
})
