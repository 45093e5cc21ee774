/** How many uploads are durable in a second, while nothing is sent to clients. */
import { closeSync, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Settings } from './bench.ts'
import { percentile, say } from './figure.ts'
import type { Figure } from './figure.ts'
import { Load } from './load/process.ts'
import { cpuSeconds } from './meter.ts'
import { Bed } from './subject.ts'

const count = 1_000
const bareCount = 500
const sample = {
  script: 'awk -f model.awk data.csv > out.csv\n',
  files: { 'model.awk': '{ print $1 * 2 }\n', 'data.csv': '1\n2\n3\n'.repeat(50) },
}

export async function submit({ build }: Settings): Promise<Figure[]> {
  await using bed = await Bed.create(build)
  // Nobody is there.
  const { address, pid } = await bed.server(['http://127.0.0.1:9'])
  await using load = new Load()
  await load.ask('uploads', { address, sample, count: 200, atOnce: 8, users: 8 })
  const figures: Figure[] = []
  for (const atOnce of [1, 16, 64]) {
    const bare = fsyncLoop(join(bed.directory, `bare-${atOnce}`))
    const before = await cpuSeconds(pid)
    const { seconds, ms } = await load.ask('uploads', { address, sample, count, atOnce, users: 8 })
    const spent = (1000 * ((await cpuSeconds(pid)) - before)) / count
    figures.push({
      name: `submit, ${build}: ${atOnce} at a time, against the fsync loop`,
      value: count / seconds / bare,
      unit: 'x',
      beside:
        `${say(count / seconds)} uploads/s, p50 ${say(percentile(ms, 0.5))} ms, ` +
        `${say(spent)} ms of the server's CPU each; loop ${say(bare)} /s`,
      ...(atOnce === 16 && { bar: { least: 0.5, aim: 1 } }),
    })
  }
  return figures
}

/** Creating and fsyncing the same files, one after the other: so many times a second. */
function fsyncLoop(root: string): number {
  mkdirSync(root)
  const start = performance.now()
  for (let round = 0; round < bareCount; round++) {
    const directory = join(root, String(round))
    mkdirSync(directory)
    for (const [name, content] of Object.entries({ 'run.sh': sample.script, ...sample.files })) {
      const file = openSync(join(directory, name), 'wx')
      writeSync(file, content)
      fsyncSync(file)
      closeSync(file)
    }
  }
  return (1000 * bareCount) / (performance.now() - start)
}
