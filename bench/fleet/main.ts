/** The fleet: stand-ins for clients, of which the server thinks that they run its jobs. */
import { createHash } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { heartbeatMs } from '../../src/domain/protocol.ts'
import { archive } from '../../src/files/archive.ts'
import { assist } from '../assistant.ts'
import type { Seeded } from '../seed.ts'
import { StandIn } from './stand-in.ts'
import type { FleetTasks } from './tasks.ts'

/** The last end is to be acted on within so long, or something is wrong. */
const mostMs = 30_000

const standIns: StandIn[] = []
const running: Seeded[] = []

assist<FleetTasks>({ open, hold, end })

async function open({ clients }: FleetTasks['open']['ask']) {
  const zip = await buffer(archive(null, () => [{ path: 'out.txt', text: 'done\n' }]))
  const result = {
    content: zip,
    info: { sizeBytes: zip.byteLength, sha256: createHash('sha256').update(zip).digest('hex') },
  }
  while (standIns.length < clients) standIns.push(await StandIn.create(result))
  // Real ones do not all tell their load at the same moment either.
  let next = 0
  setInterval(() => standIns[next++ % clients]?.tellLoad(), heartbeatMs / clients)
  return { addresses: standIns.map(({ address }) => address) }
}

async function hold({ payloads }: FleetTasks['hold']['ask']) {
  for (const payload of payloads) {
    standInOf(payload).hold(payload)
    running.push(payload)
  }
  return { held: running.length }
}

async function end({ count, perSecond }: FleetTasks['end']['ask']) {
  const cpu = process.cpuUsage()
  const start = performance.now()
  const ends: Promise<number>[] = []
  for (const payload of running.splice(0, count)) {
    await delay(Math.max(0, start + (1000 * ends.length) / perSecond - performance.now()))
    ends.push(standInOf(payload).end(payload.key))
  }
  const tooLong = AbortSignal.timeout(mostMs)
  const never = new Promise<never>((_, reject) => {
    tooLong.addEventListener('abort', () => reject(new Error('a payload was never forgotten')))
  })
  const ms = await Promise.race([Promise.all(ends), never])
  const { user, system } = process.cpuUsage(cpu)
  return { ms, cpuSeconds: (user + system) / 1e6 }
}

function standInOf({ client }: Seeded): StandIn {
  const standIn = standIns[client]
  if (!standIn) throw new Error(`there is no client ${client}`)
  return standIn
}
