/** What is installed: the single executable, anywhere and in a bare root, and the npm package. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { copyFile, mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import description from '../package.json' with { type: 'json' }
import { BareRoot, librariesOf } from './harness/bare-root.ts'
import { buildExecutable, install, nodeDirectory, pack, pathWith } from './harness/built.ts'
import { Lab } from './harness/lab.ts'

const run = promisify(execFile)
const built = buildExecutable()

/** A job goes through both modes, the database is made, and the page has all that it names. */
async function tryOut(executable: string, env: Record<string, string> = {}): Promise<void> {
  await using lab = await Lab.create(executable)
  const { program, api, client } = await lab.pair({ env }, { env })
  const job = await api.run({ 'run.sh': 'read -r word <in; echo "$word" >out', in: 'hello\n' })
  assert.equal(job.status, 'Completed', job.message)
  const files = await api.files(job.id)
  assert.equal(files.get('out')?.content.toString(), 'hello\n')

  const page = `${api.address}/swagger-ui/`
  const html = await (await fetch(page)).text()
  const named = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, name = '']) => name)
  assert.ok(named.length >= 5, html)
  for (const name of named) {
    const response = await fetch(new URL(name, page))
    assert.equal(response.status, 200, name)
    const again = { headers: { 'if-none-match': response.headers.get('etag') ?? '' } }
    assert.ok((await response.arrayBuffer()).byteLength > 100, name)
    assert.equal((await fetch(new URL(name, page), again)).status, 304, name)
  }
  const { info } = (await (await fetch(`${api.address}/api-docs/openapi.json`)).json()) as {
    info: { version: string }
  }
  assert.equal(info.version, description.version)

  for (const each of [program, client.program]) {
    assert.equal(await each.stop(), 0)
    assert.deepEqual([each.output, each.errors], ['', ''])
  }
  // The next version of a process finds what this one has kept.
  const again = await lab.server({ services: { example: [client.address] }, env })
  assert.equal((await again.api.job(job.id)).status, 'Completed')
}

test('the executable alone in an empty directory is enough, and writes nothing there', async () => {
  await using lab = await Lab.create()
  const home = join(lab.directory, 'home')
  await mkdir(home)
  const executable = join(home, 'job-orchestrator')
  await copyFile(await built, executable)
  await tryOut(executable)
  assert.deepEqual(await readdir(home), ['job-orchestrator'])
})

test('the executable needs glibc, libstdc++ and libgcc, and no other library', async (t) => {
  const libraries = (await librariesOf(await built)).map((path) => basename(path)).toSorted()
  t.diagnostic(libraries.join(' '))
  const allowed = /^(ld-linux-.*|lib(c|m|dl|pthread|rt|stdc\+\+|gcc_s))\.so\.\d+$/
  assert.deepEqual(
    libraries.filter((name) => !allowed.test(name)),
    [],
  )
  assert.ok(libraries.includes('libc.so.6'), libraries.join(' '))
})

test('in a root that has nothing else but bash, the executable does all that it does', async (t) => {
  const root = await BareRoot.create(await built)
  if (typeof root === 'string') return t.skip(root)
  await using bare = root
  t.diagnostic(bare.files.join(' '))
  await tryOut(bare.launcher)
  // Without /proc too, as long as no script has to be found again.
  await tryOut(bare.launcherWithoutProc)
  await using lab = await Lab.create(bare.launcherWithoutProc)
  const client = await lab.client()
  await client.program.line(({ msg }) => msg.startsWith('/proc is not mounted'))
})

test('the same sources make the same executable', async () => {
  const before = await readFile(await built)
  const after = await readFile(await buildExecutable())
  assert.ok(before.equals(after))
})

test('NODE_OPTIONS means nothing to the executable', async () => {
  const env = { ...process.env, NODE_OPTIONS: '--require /nowhere --no-such-option' }
  const { stdout, stderr } = await run(await built, ['--version'], { env })
  assert.deepEqual([stdout, stderr], [`${description.version}\n`, ''])
})

test('the executable has the licences of all that is in it', async () => {
  const { stdout } = await run(await built, ['--licenses'])
  for (const name of ['Node.js', 'fastify', 'undici', 'swagger-ui', 'OpenSSL']) {
    assert.ok(stdout.includes(name), name)
  }
})

test('beside the executable is what it is made of, Node.js too, and under which licences', async () => {
  const executable = await built
  const { components } = JSON.parse(await readFile(`${executable}.cdx.json`, 'utf8')) as {
    components: { purl: string }[]
  }
  const refs = components.map(({ purl }) => purl)
  assert.ok(refs.includes(`pkg:generic/node@${process.versions.node}`))
  assert.ok(refs.some((ref) => ref.startsWith('pkg:npm/fastify@')))
  const { stdout } = await run(executable, ['--licenses'], { maxBuffer: 2 ** 24 })
  const beside = await readFile(`${executable}.licenses.txt`, 'utf8')
  assert.equal(beside.trimEnd(), stdout.trimEnd())
})

test('the npm package installs by itself, and works', async (t) => {
  await built // both build
  await using lab = await Lab.create()
  const { file, names } = await pack(lab.directory)
  t.diagnostic(`${names.length} files`)
  assert.deepEqual(
    names.filter((name) => /\.ts$|node_modules|\/(src|test|scripts|runtime)\//.test(name)),
    [],
  )
  for (const name of ['THIRD-PARTY-LICENSES', 'sbom.cdx.json']) {
    assert.ok(names.includes(`package/dist/bundle/${name}`), name)
  }
  const command = await install(file, join(lab.directory, 'prefix'))
  const modules = join(lab.directory, 'prefix/lib/node_modules')
  assert.deepEqual(await readdir(modules), ['job-orchestrator'])
  const installed = join(modules, 'job-orchestrator')
  const { dependencies, scripts } = JSON.parse(
    await readFile(join(installed, 'package.json'), 'utf8'),
  ) as { dependencies?: object; scripts?: object }
  assert.equal(dependencies, undefined)
  for (const script of ['preinstall', 'install', 'postinstall', 'prepare']) {
    assert.ok(!(script in (scripts ?? {})), script)
  }
  const before = await readdir(installed, { recursive: true })
  await tryOut(command, { PATH: pathWith(nodeDirectory) })
  assert.deepEqual(await readdir(installed, { recursive: true }), before)

  // With an older Node.js, and with none.
  const old = join(lab.directory, 'old')
  await mkdir(old)
  await writeFile(join(old, 'node'), '#!/bin/sh\necho v22.1.0\n', { mode: 0o755 })
  const none = join(lab.directory, 'none')
  await mkdir(none)
  for (const name of ['sh', 'dirname', 'readlink']) {
    const { stdout } = await run('sh', ['-c', `command -v ${name}`])
    await copyFile(stdout.trim(), join(none, name))
  }
  for (const [PATH, found] of [
    [pathWith(old), 'v22.1.0'],
    [none, 'none'],
  ] as const) {
    const expected = `job-orchestrator: needs Node.js 24 or newer; ${found} is on the PATH\n`
    await assert.rejects(run(command, ['--version'], { env: { PATH } }), {
      code: 2,
      stdout: '',
      stderr: expected,
    })
  }
})

test('on another system, and on another processor, the program says so in one line', async () => {
  for (const [key, value] of [
    ['platform', 'darwin'],
    ['arch', 'riscv64'],
  ]) {
    const code = `Object.defineProperty(process, '${key}', { value: '${value}' })`
    const args = ['--import', `data:text/javascript,${encodeURIComponent(code)}`]
    const main = join(import.meta.dirname, '../src/main.ts')
    await assert.rejects(run(process.execPath, [...args, main, '--version']), {
      code: 2,
      stdout: '',
      stderr: 'job-orchestrator: runs on Linux, on x64 and arm64\n',
    })
  }
})
