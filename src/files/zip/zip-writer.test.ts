/** What is written is read by others: unzip, and the library that the program reads ZIPs with. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { openPromise } from 'yauzl'
import { ensureCommand } from '../../../test/harness/debian.ts'
import { readZip } from '../../../test/harness/zip.ts'
import { together } from '../together.ts'
import { directoryEnd, directoryHeader } from './records.ts'
import { ZipWriter } from './zip-writer.ts'

const run = promisify(execFile)
const mtime = new Date(Math.floor(Date.now() / 2000) * 2000)
const file = (name: string) => ({ name, mode: 0o100644, mtime })

async function* of(...pieces: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield Buffer.from(piece)
}

/** Writes an archive to a file, which is removed when it is disposed of. */
async function write(pieces: AsyncIterable<Uint8Array>) {
  const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
  const path = join(directory, 'out.zip')
  await writeFile(path, pieces)
  return { path, [Symbol.asyncDispose]: () => rm(directory, { recursive: true }) }
}

async function* everything(): AsyncGenerator<Uint8Array> {
  const zip = new ZipWriter()
  yield zip.small({ name: 'empty/', mode: 0o040700, mtime }, Buffer.alloc(0))
  yield zip.small({ name: 'link', mode: 0o120777, mtime }, Buffer.from('a.txt'))
  yield zip.small(file('a.txt'), Buffer.from('short'))
  yield zip.small(file('größe/ü.txt'), Buffer.from('long '.repeat(10_000)))
  yield* zip.large(file('large'), of('x'.repeat(100_000), 'y'.repeat(100_000)), 200_000)
  yield* zip.large(file('nothing'), of(), 0)
  // It could have become larger than four bytes can say.
  yield* zip.large(file('huge'), of('little, in the end'), 5e9)
  yield* zip.end()
}

test('every kind of entry is read as it was written', async () => {
  await using archive = await write(everything())
  const entries = await readZip(await readFile(archive.path))
  const contents = new Map([...entries].map(([name, { content }]) => [name, content.toString()]))
  assert.deepEqual(
    contents,
    new Map([
      ['empty/', ''],
      ['link', 'a.txt'],
      ['a.txt', 'short'],
      ['größe/ü.txt', 'long '.repeat(10_000)],
      ['large', 'x'.repeat(100_000) + 'y'.repeat(100_000)],
      ['nothing', ''],
      ['huge', 'little, in the end'],
    ]),
  )
  assert.equal(entries.get('empty/')?.mode, 0o040700)
  assert.equal(entries.get('link')?.mode, 0o120777)
  assert.deepEqual(entries.get('a.txt')?.mtime, mtime)
})

test('unzip finds nothing wrong', async (t) => {
  const missing = await ensureCommand('unzip')
  if (missing !== undefined) return t.skip(missing)
  await using archive = await write(everything())
  const { stdout } = await run('unzip', ['-t', archive.path])
  assert.match(stdout, /No errors detected/)
})

test('there may be more entries than two bytes can count', async () => {
  const count = 66_000
  async function* many() {
    const zip = new ZipWriter()
    for (let index = 0; index < count; index++)
      yield zip.small(file(String(index)), Buffer.alloc(0))
    yield* zip.end()
  }
  await using archive = await write(together(many()))
  const zip = await openPromise(archive.path, { lazyEntries: true })
  const entries = await Array.fromAsync(zip.eachEntry())
  assert.equal(entries.length, count)
})

test('what lies beyond 4 GiB is said in eight bytes', () => {
  const body = { isDeflated: true, crc32: 1, sizeBytes: 5e9, packedBytes: 7 }
  const header = directoryHeader({ head: file('a'), body, isStreamed: true, offsetBytes: 6e9 })
  assert.equal(header.readUInt32LE(24), 0xffffffff)
  assert.equal(header.readUInt32LE(20), 7)
  assert.equal(header.readUInt32LE(42), 0xffffffff)
  const extra = header.subarray(header.byteLength - 20)
  assert.equal(extra.readUInt16LE(0), 0x0001)
  assert.equal(extra.readUInt16LE(2), 16)
  assert.equal(extra.readBigUInt64LE(4), 5_000_000_000n)
  assert.equal(extra.readBigUInt64LE(12), 6_000_000_000n)

  const end = directoryEnd(1, 6e9, header.byteLength)
  assert.equal(end.readUInt32LE(0), 0x06064b50)
  assert.equal(end.readBigUInt64LE(48), 6_000_000_000n)
  assert.equal(end.readUInt32LE(56), 0x07064b50)
  assert.equal(end.readBigUInt64LE(64), BigInt(6e9 + header.byteLength))
  assert.equal(end.readUInt32LE(76 + 16), 0xffffffff)
})

test('what is left early leaves nothing open, and a fault of the content is told', async () => {
  const stream = createReadStream(process.execPath)
  let sizeBytes = 0
  for await (const piece of new ZipWriter().large(file('a'), stream, 1e6)) {
    sizeBytes += piece.byteLength
    if (sizeBytes > 1e6) break
  }
  await finished(stream).catch(() => {})
  assert.ok(stream.closed)
  await assert.rejects(async () => {
    const content = (async function* () {
      yield* of('begun')
      throw new Error('the disk is gone')
    })()
    for await (const piece of new ZipWriter().large(file('a'), content, 10)) assert.ok(piece)
  }, /the disk is gone/)
})
