/** A large upload and a large result: the speed of each hop, and the memory of each process. */
import { randomBytes } from 'node:crypto'
import { open, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BareServer } from './bare/process.ts'
import type { Settings } from './bench.ts'
import { demandCommands, runTimed } from './command.ts'
import { say } from './figure.ts'
import type { Figure } from './figure.ts'
import { completed, hopsOf, noteEnd } from './hops.ts'
import { peakMemory } from './peak-memory.ts'
import { Bed } from './subject.ts'
import type { Subject } from './subject.ts'

/** Jobs, one after the other, each followed by the same transfers without us; one takes minutes. */
const rounds = 1
const blockBytes = 8 * 1024 * 1024

/** Seconds of each hop. */
type Hop = 'upload' | 'send, submit' | 'pack' | 'retrieve' | 'download'
type Times = Readonly<Record<Hop, number>>

/** One job at a time that takes a file of this size and gives it back under another name. */
export async function big({ build, sizeBytes }: Settings): Promise<Figure[]> {
  await demandCommands('curl', 'zip')
  await using bed = await Bed.create(build)
  await using bare = await BareServer.start()
  const limit = ['--max-upload-size', String(sizeBytes + blockBytes)]
  const { server, client } = await bed.pair(limit)
  await fill(join(bed.directory, 'in.bin'), sizeBytes)
  await writeFile(join(bed.directory, 'run.sh'), `mv in.bin out.bin\n${noteEnd(bed)}`)
  const ours: Times[] = []
  const theirs: Times[] = []
  for (let round = 0; round < rounds; round++) {
    ours.push(await walk(bed, server, sizeBytes))
    theirs.push(await withoutUs(bed, bare))
  }
  const of = `big, ${build}`
  const neighbours: readonly (readonly [Hop, string])[] = [
    ['upload', 'curl to a bare server that flushes'],
    ['send, submit', 'the same'],
    ['pack', 'zip -1, without a flush'],
    ['retrieve', 'curl to a bare server that flushes'],
    ['download', 'curl from a bare server'],
  ]
  return [
    ...neighbours.map(([hop, neighbour]) => {
      const [mine, other] = [ours, theirs].map((times) => megabytesPerS(sizeBytes, times, hop))
      return {
        name: `${of}: ${hop}, against its neighbour`,
        value: (mine ?? 0) / (other ?? 0),
        unit: 'x',
        beside: `${say(mine ?? 0)} MB/s, ${neighbour} ${say(other ?? 0)} MB/s`,
        bar: { least: 0.6, aim: 0.9 },
      }
    }),
    ...(await peakMemory(of, { server, client })),
  ]
}

/** The job's files at the server stay; the ZIP that is downloaded is not kept. */
async function walk(bed: Bed, { address }: Subject, sizeBytes: number): Promise<Times> {
  const fields = ['user_id=1', 'service=example', 'file=@run.sh', 'file=@in.bin']
  const form = fields.flatMap((field) => ['-F', field])
  const upload = await curl(bed, [...form, `${address}/upload`])
  const { id } = JSON.parse(upload.stdout) as { readonly id: number }
  const hops = await hopsOf(bed, await completed(address, id))
  const told = ['-o', '/dev/null', '-w', '%{size_download}']
  const download = await curl(bed, [...told, `${address}/download/${id}`])
  if (Number(download.stdout) < sizeBytes) throw new Error(`the result has ${download.stdout} B`)
  return {
    upload: upload.seconds,
    'send, submit': hops.submit,
    pack: hops.pack,
    retrieve: hops.retrieve,
    download: download.seconds,
  }
}

async function withoutUs(bed: Bed, { address }: BareServer): Promise<Times> {
  const [file, copy, zip] = ['in.bin', 'copy.bin', 'bare.zip'].map((name) =>
    join(bed.directory, name),
  ) as [string, string, string]
  const upload = await curl(bed, ['-F', 'file=@in.bin', `${address}${copy}`])
  await rm(copy)
  const pack = await runTimed('zip', ['-1', '-q', zip, 'in.bin'], bed.directory)
  await rm(zip)
  const download = await curl(bed, ['-o', '/dev/null', `${address}${file}`])
  return {
    upload: upload.seconds,
    'send, submit': upload.seconds,
    pack: pack.seconds,
    retrieve: upload.seconds,
    download: download.seconds,
  }
}

function curl({ directory }: Bed, args: readonly string[]) {
  return runTimed('curl', ['--silent', '--show-error', '--fail', ...args], directory)
}

function megabytesPerS(sizeBytes: number, times: readonly Times[], hop: Hop): number {
  const seconds = times.reduce((sum, time) => sum + time[hop], 0)
  return (sizeBytes * times.length) / 1e6 / seconds
}

/** Bytes that no packer makes smaller: no block is like another within what a packer looks back. */
async function fill(file: string, sizeBytes: number): Promise<void> {
  const block = randomBytes(blockBytes)
  await using handle = await open(file, 'w')
  for (let at = 0; at < sizeBytes; at += blockBytes) {
    await handle.appendFile(block.subarray(0, Math.min(blockBytes, sizeBytes - at)))
  }
  await handle.sync()
}
