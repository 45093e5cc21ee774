/** What the processes use while nothing is to be done, after they had something to do. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { trivial } from './bench.ts'
import type { Settings } from './bench.ts'
import { say } from './figure.ts'
import type { Figure } from './figure.ts'
import { Load } from './load/process.ts'
import { exactCpuSeconds, memoryMb } from './meter.ts'
import { Bed } from './subject.ts'

const jobs = 1_000
/** Connections that were kept for the next request are closed by then, and what was freed is collected. */
const settleMs = 25_000
const idleMs = 30_000
const bareServer = `require('node:http').createServer().listen(0, '127.0.0.1', () => console.log())`

export async function idle({ build }: Settings): Promise<Figure[]> {
  await using bed = await Bed.create(build)
  const { server, client } = await bed.pair()
  await using bare = await startBare()
  {
    await using load = new Load()
    const { address } = server
    await load.ask('walk', { address, sample: trivial, count: jobs, atOnce: 16, users: 8 })
  }
  await delay(settleMs)
  const pids = [server.pid, client.pid, bare.pid]
  const before = await Promise.all(pids.map(exactCpuSeconds))
  const start = performance.now()
  await delay(idleMs)
  const after = await Promise.all(pids.map(exactCpuSeconds))
  const seconds = (performance.now() - start) / 1000
  const percents = after.map((value, index) => (100 * (value - (before[index] ?? 0))) / seconds)
  const [ofServer = Number.NaN, ofClient = Number.NaN, ofBare = Number.NaN] = percents
  const of = `idle, ${build}`
  const bar = { most: 0.5, aim: 0.1 }
  const besideCpu = `bare Node.js with an HTTP server ${say(ofBare, '%')}`
  const besideMemory = `bare Node.js with an HTTP server ${say(await memoryMb(bare.pid), 'MB')}`
  return [
    { name: `${of}: CPU, server`, value: ofServer, unit: '%', beside: besideCpu, bar },
    { name: `${of}: CPU, client`, value: ofClient, unit: '%', beside: besideCpu, bar },
    {
      name: `${of}: memory, server`,
      value: await memoryMb(server.pid),
      unit: 'MB',
      beside: besideMemory,
    },
    {
      name: `${of}: memory, client`,
      value: await memoryMb(client.pid),
      unit: 'MB',
      beside: besideMemory,
    },
  ]
}

/** A process that listens, and that nobody calls. */
async function startBare() {
  const child = spawn(process.execPath, ['-e', bareServer], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  return {
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit')
      child.kill()
      await ended
    },
  }
}
