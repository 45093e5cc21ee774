/** How many trivial jobs go through the whole walk in a second, and what each costs. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { supervisor, taskText } from '../src/executors/supervisor.ts'
import { trivial } from './bench.ts'
import type { Settings } from './bench.ts'
import { say } from './figure.ts'
import type { Figure } from './figure.ts'
import { Load } from './load/process.ts'
import { cpuSeconds } from './meter.ts'
import { Bed } from './subject.ts'

/** So many jobs, so many at a time. */
const volleys = [
  { atOnce: 1, count: 100 },
  { atOnce: 4, count: 200 },
  { atOnce: 16, count: 400 },
  { atOnce: 64, count: 400 },
]
const warmUps = 400
const bareCount = 500

export async function throughput({ build }: Settings): Promise<Figure[]> {
  await using bed = await Bed.create(build)
  const { server, client } = await bed.pair()
  await using load = new Load()
  const { address } = server
  const run = (atOnce: number, jobs: number) =>
    load.ask('walk', { address, sample: trivial, count: jobs, atOnce, users: 8 })
  await run(16, warmUps)
  const figures: Figure[] = []
  for (const { atOnce, count } of volleys) {
    const before = await Promise.all([server, client].map(({ pid }) => cpuSeconds(pid)))
    const { seconds, cpuSeconds: ofLoad } = await run(atOnce, count)
    const after = await Promise.all([server, client].map(({ pid }) => cpuSeconds(pid)))
    const perS = count / seconds
    const bare = await supervisedXargs(bed, atOnce)
    const spent = [...after.map((value, index) => value - (before[index] ?? 0)), ofLoad]
    const [ofServer, ofClient, ofLoadGenerator] = spent.map((s) => say((1000 * s) / count))
    figures.push({
      name: `throughput, ${build}: ${atOnce} at a time, against xargs -P2`,
      value: perS / bare,
      unit: 'x',
      beside:
        `${say(perS)} jobs/s, xargs ${say(bare)} /s; CPU ms a job: server ${ofServer}, ` +
        `client ${ofClient}, load ${ofLoadGenerator}`,
      // What matters is how much goes through when there is much to do.
      ...(atOnce === 64 && { bar: { least: 0.25, aim: 0.45 } }),
    })
  }
  return figures
}

/** The same scripts under the same supervising shell, two at a time, and nothing else. */
async function supervisedXargs(bed: Bed, round: number): Promise<number> {
  const root = join(bed.directory, `xargs-${round}`)
  const directories = Array.from({ length: bareCount }, (_, index) => join(root, String(index)))
  for (const directory of directories) {
    await mkdir(join(directory, 'work'), { recursive: true })
    await writeFile(join(directory, 'work', 'run.sh'), trivial.script)
    await writeFile(join(directory, 'task'), taskText(directory, undefined, {}, ':'))
  }
  const start = performance.now()
  // Its daemon is a file.
  const there = `exec 3<>"$1/task"\n${supervisor}`
  const xargs = spawn('xargs', ['-P2', '-I{}', 'bash', '-c', there, 'job-orchestrator', '{}'], {
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  xargs.stdin.end(directories.join('\n'))
  const [code] = (await once(xargs, 'exit')) as [number]
  if (code !== 0) throw new Error(`xargs ended with ${code}`)
  return (1000 * bareCount) / (performance.now() - start)
}
