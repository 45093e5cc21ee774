/** Many clients with many running jobs: how soon the server acts on an end, and what it takes. */
import { setTimeout as delay } from 'node:timers/promises'
import type { ServerHealth } from '../src/domain/protocol.ts'
import type { Settings } from './bench.ts'
import { besideFlushes } from './disk.ts'
import { percentile, say } from './figure.ts'
import type { Figure } from './figure.ts'
import { Fleet } from './fleet/process.ts'
import { cpuSeconds, memoryMb, openSockets } from './meter.ts'
import { Seed } from './seed.ts'
import { Bed } from './subject.ts'
import type { Build } from './subject.ts'

const clients = 200
/** What is measured beside it. */
const fewClients = 2
const users = 100
const jobsOfUser = 100
const perSecond = 100
const warmUps = 300
const ends = 1_000
const stillMs = 5_000
/** All clients are there sooner than this, or something is wrong. */
const reachableWithinMs = 120_000

type Measured = {
  readonly startSeconds: number
  readonly stillPercent: number
  readonly ms: readonly number[]
  readonly flushMs: readonly number[]
  readonly busyPercent: number
  readonly ofFleetPercent: number
  readonly sockets: number
  readonly memoryMb: number
}

export async function fleet({ build }: Settings): Promise<Figure[]> {
  const many = await measure(build, clients)
  const few = await measure(build, fewClients)
  const of = `fleet of ${clients}, ${build}`
  const row = (what: string, unit: string, value: (at: Measured) => number, more = '') => ({
    name: `${of}: ${what}`,
    value: value(many),
    unit,
    beside: `with ${fewClients} clients ${say(value(few), unit)}${more}`,
  })
  const ofEach = `; ${say((10 * many.busyPercent) / perSecond)} ms an end`
  const ofFleet = `; the fleet itself ${say(many.ofFleetPercent, '%')}`
  return [
    {
      ...row('from an end to final, p99', 'ms', ({ ms }) => percentile(ms, 0.99)),
      beside: `${sayTimes(many)}; with ${fewClients} clients ${sayTimes(few)}`,
      bar: { most: 250, aim: 50 },
    },
    row(`CPU, ${perSecond} ends a second`, '%', (at) => at.busyPercent, ofEach + ofFleet),
    row('CPU, no ends', '%', (at) => at.stillPercent),
    row('open sockets', '', (at) => at.sockets),
    row('memory', 'MB', (at) => at.memoryMb),
    row('start until all are reachable', 's', (at) => at.startSeconds),
  ]
}

/** With what the disk took meanwhile, for a file of nobody's. */
function sayTimes({ ms, flushMs }: Measured): string {
  const [p50, p99] = [percentile(ms, 0.5), percentile(ms, 0.99)]
  return (
    `p50 ${say(p50)} ms, p99 ${say(p99)} ms (bare flushes p50 ${say(percentile(flushMs, 0.5))} ms, ` +
    `longest ${say(Math.max(...flushMs))} ms)`
  )
}

async function measure(build: Build, count: number): Promise<Measured> {
  await using standIns = new Fleet()
  await using bed = await Bed.create(build)
  const { addresses } = await standIns.ask('open', { clients: count })
  await standIns.ask('hold', { payloads: await seed(bed, addresses) })
  const start = performance.now()
  const { address, pid } = await bed.server(addresses)
  await allReachable(address)
  const startSeconds = (performance.now() - start) / 1000
  await standIns.ask('end', { count: warmUps, perSecond })
  const still = await cpuPercent(pid, () => delay(stillMs))
  const { got: busy, flushMs } = await besideFlushes(bed.directory, () =>
    cpuPercent(pid, () => standIns.ask('end', { count: ends, perSecond })),
  )
  return {
    startSeconds,
    stillPercent: still.percent,
    ms: busy.got.ms,
    flushMs,
    busyPercent: busy.percent,
    ofFleetPercent: (100 * busy.got.cpuSeconds) / busy.seconds,
    sockets: await openSockets(pid),
    memoryMb: await memoryMb(pid),
  }
}

async function seed(bed: Bed, addresses: readonly string[]) {
  await using seeds = await Seed.open(bed)
  await Promise.all(
    Array.from({ length: users }, (_, user) => seeds.queue(String(user), jobsOfUser)),
  )
  return await seeds.giveAll(addresses)
}

async function allReachable(address: string): Promise<void> {
  const deadline = performance.now() + reachableWithinMs
  for (;;) {
    const health = (await (await fetch(`${address}/health`)).json()) as ServerHealth
    if (health.services.every((service) => service.clients.every(({ reachable }) => reachable))) {
      return
    }
    if (performance.now() > deadline) throw new Error('not all clients are reachable')
    await delay(100)
  }
}

/** How much of a core a process uses in the meantime. */
async function cpuPercent<T>(pid: number, work: () => Promise<T>) {
  const before = await cpuSeconds(pid)
  const start = performance.now()
  const got = await work()
  const seconds = (performance.now() - start) / 1000
  return { got, seconds, percent: (100 * ((await cpuSeconds(pid)) - before)) / seconds }
}
