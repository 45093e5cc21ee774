import assert from 'node:assert/strict'
import { mkdtemp, readFile, readdir, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { buffer } from 'node:stream/consumers'
import { fromBufferPromise } from 'yauzl'
import { ZipFile } from 'yazl'
import { Fault } from '../domain/errors.ts'
import { markerOf } from '../domain/marker.ts'
import { readOlderResult } from './older-result.ts'

const marker = markerOf('00112233445566ff-0123456789abcdeffedcba9876543210')
const another = markerOf('00112233445566ff-ffffffffffffffffffffffffffffffff')
const ours = { [marker.name]: marker.content }

let directory = ''
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
})
after(() => rm(directory, { recursive: true }))

/** Writes a ZIP; names that end with a slash are directories. */
async function zipOf(files: Readonly<Record<string, string>>): Promise<string> {
  const zip = new ZipFile()
  for (const [name, content] of Object.entries(files)) {
    if (name.endsWith('/')) zip.addEmptyDirectory(name, { mode: 0o40755 })
    else zip.addBuffer(Buffer.from(content), name, { mode: 0o100750 })
  }
  zip.end()
  const file = join(directory, `${Math.random()}.zip`)
  await writeFile(file, await buffer(zip.outputStream))
  return file
}

async function read(files: Readonly<Record<string, string>>, hasItself = false) {
  const { content, exitCode } = await readOlderResult(await zipOf(files), marker, hasItself)
  const archive = await fromBufferPromise(await buffer(content), { lazyEntries: true })
  const entries = await Array.fromAsync(archive.eachEntry())
  return { exitCode, entries, names: entries.map(({ fileName }) => fileName).toSorted() }
}

async function codeOf(exitFile: string): Promise<number | null> {
  return (await read({ ...ours, '.orchestrator.exit': exitFile })).exitCode
}

function replaceAll(bytes: Buffer, from: string, to: string): void {
  for (let at = 0; (at = bytes.indexOf(from, at)) >= 0; at++) bytes.write(to, at)
}

function isFault(code: string): (error: unknown) => boolean {
  return (error) => error instanceof Fault && error.code === code
}

test('all but the marker is kept: directories, modes and times too', async () => {
  const { names, exitCode, entries } = await read({ ...ours, 'd/': '', 'd/out': 'x', a: 'y' })
  assert.deepEqual(names, ['a', 'd/', 'd/out'])
  assert.equal(exitCode, null)
  const modes = entries.map((entry) => (entry.externalFileAttributes >>> 16).toString(8))
  assert.deepEqual(modes.toSorted(), ['100750', '100750', '40755'])
})

test('an exit code is read, and a file that says none is not', async () => {
  assert.equal(await codeOf('0\n'), 0)
  assert.equal(await codeOf(' 137 '), 137)
  assert.equal(await codeOf('many\n'), null)
  assert.equal(await codeOf('1'.repeat(100)), null)
})

test('the empty exit file that was sent along is left out', async () => {
  assert.deepEqual((await read({ ...ours, '.orchestrator.exit': '' })).names, [])
})

test("the client's own archive is left out of itself, one further down is not", async () => {
  const files = { ...ours, '.orchestrator.exit': '0', 'output.zip': 'PK', 'd/output.zip': 'PK' }
  assert.deepEqual((await read(files, true)).names, ['.orchestrator.exit', 'd/output.zip'])
  assert.deepEqual((await read(files)).names, ['.orchestrator.exit', 'd/output.zip', 'output.zip'])
})

test('an archive that a script made of its directory is not taken for the client’s', async () => {
  await assert.rejects(read({ ...ours, out: 'x' }, true), isFault('conflict'))
  await assert.rejects(read({ ...ours, '.orchestrator.exit': '' }, true), isFault('conflict'))
})

test('without its marker, or with that of another payload, it is another one’s', async () => {
  await assert.rejects(read({ out: 'x' }), isFault('conflict'))
  await assert.rejects(read({ [another.name]: another.content }), isFault('conflict'))
  await assert.rejects(read({ [marker.name]: 'guessed' }), isFault('conflict'))
  await assert.rejects(read({ [marker.name]: 'x'.repeat(1000) }), isFault('conflict'))
  const both = { ...ours, [another.name]: another.content }
  await assert.rejects(read(both), /directory of an earlier payload/)
})

test('what is no whole ZIP is invalid, wherever that is found', async () => {
  const file = join(directory, 'no.zip')
  await writeFile(file, 'not a ZIP')
  await assert.rejects(readOlderResult(file, marker, false), isFault('invalid'))
})

test('names are kept as they are, but for those that leave the directory', async () => {
  const file = await zipOf({ ...ours, 'aa/bb': 'x', 'C;d': 'y' })
  const bytes = await readFile(file)
  // The library writes no such names.
  replaceAll(bytes, 'aa/bb', '../bb')
  replaceAll(bytes, 'C;d', 'C:d')
  await writeFile(file, bytes)
  const { content } = await readOlderResult(file, marker, false)
  const archive = await fromBufferPromise(await buffer(content), { lazyEntries: true })
  const entries = await Array.fromAsync(archive.eachEntry())
  assert.deepEqual(
    entries.map(({ fileName }) => fileName),
    ['./C:d'],
  )
})

test('a reader that goes away early leaves nothing open', async () => {
  const file = await zipOf({ ...ours, big: 'x'.repeat(3_000_000) })
  const { content } = await readOlderResult(file, marker, false)
  const openThere = async () => {
    const names = await readdir('/proc/self/fd')
    const targets = await Promise.all(
      names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')),
    )
    return targets.filter((target) => target === file).length
  }
  for await (const piece of content) {
    assert.ok(piece.byteLength > 0)
    assert.equal(await openThere(), 1)
    break
  }
  assert.equal(await openThere(), 0)
})
