/** A job of many small files, which all come back: each one costs, however small it is. */
import { closeSync, fsyncSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Settings } from './bench.ts'
import { demandCommands, runTimed } from './command.ts'
import { say } from './figure.ts'
import type { Figure } from './figure.ts'
import { completed, hopsOf, noteEnd } from './hops.ts'
import { Load } from './load/process.ts'
import { peakMemory } from './peak-memory.ts'
import { Bed } from './subject.ts'
import type { Subject } from './subject.ts'

const count = 10_000
const perDirectory = 100
const [leastBytes, mostBytes] = [100, 2_000]
/** Jobs, one after the other, each behind the same work without us. */
const rounds = 1

type Step = 'upload' | 'submit' | 'pack' | 'retrieve'
type Times = Readonly<Record<Step, number>>
/** Seconds of what is done without us. */
type Bare = { readonly loop: number; readonly zip: number }

export async function manyFiles({ build }: Settings): Promise<Figure[]> {
  await demandCommands('zip')
  await using bed = await Bed.create(build)
  const { server, client } = await bed.pair()
  await using load = new Load()
  const files = smallFiles()
  const ours: Times[] = []
  const bare: Bare[] = []
  for (let round = 0; round < rounds; round++) {
    bare.push(await withoutUs(bed, files))
    ours.push(await walk(bed, server, load, files))
  }
  const [loop, zip] = [average(bare, 'loop'), average(bare, 'zip')]
  const steps: readonly Step[] = ['upload', 'submit', 'pack', 'retrieve']
  const spent = new Map(steps.map((step) => [step, average(ours, step)]))
  const of = `many-files, ${build}`
  const besideZip = (name: string, seconds: number): Figure => ({
    name: `${of}: ${name}, against zip -1`,
    value: zip / seconds,
    unit: 'x',
    beside: `${say(seconds)} s, zip ${say(zip)} s`,
  })
  const upload = spent.get('upload') ?? 0
  const all = [...spent.values()].reduce((sum, seconds) => sum + seconds, 0)
  return [
    {
      name: `${of}: upload, against the fsync loop`,
      value: loop / upload,
      unit: 'x',
      beside: `${say(upload)} s, loop ${say(loop)} s`,
    },
    { name: `${of}: send, submit`, value: spent.get('submit') ?? 0, unit: 's' },
    besideZip('pack', spent.get('pack') ?? 0),
    { name: `${of}: retrieve`, value: spent.get('retrieve') ?? 0, unit: 's' },
    besideZip('all of it', all),
    ...(await peakMemory(of, { server, client })),
  ]
}

const line = (index: number) => `${index},${Math.sin(index).toFixed(6)}\n`

/** By their paths. */
function smallFiles(): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Array.from({ length: count }, (_, index) => {
      const sizeBytes = leastBytes + ((index * 7_919) % (mostBytes - leastBytes))
      let content = ''
      while (content.length < sizeBytes) content += line(index + content.length)
      const path = `${Math.floor(index / perDirectory)}/${index % perDirectory}.csv`
      return [path, content.slice(0, sizeBytes)]
    }),
  )
}

async function walk(
  bed: Bed,
  { address }: Subject,
  load: Load,
  files: Readonly<Record<string, string>>,
): Promise<Times> {
  const sample = { script: noteEnd(bed), files }
  const sent = await load.ask('uploads', { address, sample, count: 1, atOnce: 1, users: 1 })
  const [id = 0] = sent.ids
  const hops = await hopsOf(bed, await completed(address, id))
  return { upload: sent.seconds, ...hops }
}

/** The same files created and flushed, one after the other, and packed. */
async function withoutUs(bed: Bed, files: Readonly<Record<string, string>>): Promise<Bare> {
  const root = join(bed.directory, 'bare')
  const start = performance.now()
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(root, dirname(path)), { recursive: true })
    const file = openSync(join(root, path), 'wx')
    writeSync(file, content)
    fsyncSync(file)
    closeSync(file)
  }
  const loop = (performance.now() - start) / 1000
  const { seconds: zip } = await runTimed('zip', ['-1', '-q', '-r', '../bare.zip', '.'], root)
  for (const name of ['bare', 'bare.zip']) rmSync(join(bed.directory, name), { recursive: true })
  return { loop, zip }
}

/** Over all rounds. */
function average<Key extends string>(times: readonly Readonly<Record<Key, number>>[], of: Key) {
  return times.reduce((sum, time) => sum + time[of], 0) / times.length
}
