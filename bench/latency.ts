/** From POST /upload to a result that can be downloaded: one trivial job at a time. */
import type { JobDetails } from '../src/domain/protocol.ts'
import { doorTo } from '../test/harness/door.ts'
import type { Credentials, Door } from '../test/harness/door.ts'
import { trivial } from './bench.ts'
import type { Settings } from './bench.ts'
import { whyNoSandbox } from '../test/harness/sandbox.ts'
import { mean, percentile, say } from './figure.ts'
import type { Figure } from './figure.ts'
import { Load } from './load/process.ts'
import { Bed } from './subject.ts'
import type { Build } from './subject.ts'

/** A server runs for months: by then its code is compiled, as what is measured is to be. */
const warmUps = { count: 800, atOnce: 16, users: 8 }
const lastWarmUps = 30
const rounds = 200

/**
 * How long bare bash takes on the machine that the bars were set for: they are 15 ms and 6 ms above
 * that there. Everything else is as much slower as bash is on a slower one.
 */
const bareMsOfBars = 2.9
const bars = { open: { mostMs: 15, aimMs: 6 }, isolated: { mostMs: 30, aimMs: 15 } } as const

/** As it is, and, of one build, with tokens, a cluster secret and TLS, and with isolated scripts. */
export async function latency({ build }: Settings): Promise<Figure[]> {
  if (build === 'checkout') return await measureOpen(build)
  return [
    ...(await measureOpen(build)),
    ...(await measureTrusting(build)),
    ...(await measureIsolated(build)),
  ]
}

async function measureOpen(build: Build): Promise<Figure[]> {
  await using bed = await Bed.create(build)
  const { server } = await bed.pair()
  return await measure(`latency, ${build}`, server.address, {})
}

async function measureTrusting(build: Build): Promise<Figure[]> {
  await using bed = await Bed.create(build)
  const { server, credentials } = await bed.trustingPair()
  return await measure(`latency with tokens, secret and TLS, ${build}`, server.address, credentials)
}

async function measureIsolated(build: Build): Promise<Figure[]> {
  const missing = await whyNoSandbox()
  if (missing !== undefined) throw new Error(missing)
  await using bed = await Bed.create(build)
  const client = await bed.client(['--isolation', 'bwrap'])
  const { address } = await bed.server([client.address])
  return await measure(`latency with isolation, ${build}`, address, {}, bars.isolated)
}

/** So many times bare bash is so much more than it. */
function timesBare(moreMs: number): number {
  return Number((1 + moreMs / bareMsOfBars).toFixed(1))
}

/** Jobs and bare runs of the same script alternate. */
async function measure(
  of: string,
  address: string,
  credentials: Credentials,
  { mostMs, aimMs }: { readonly mostMs: number; readonly aimMs: number } = bars.open,
): Promise<Figure[]> {
  await using load = new Load()
  const ask = { address, sample: trivial, credentials }
  await load.ask('walk', { ...ask, ...warmUps })
  const { bareMs, jobs } = await load.ask('latency', { ...ask, warmUps: lastWarmUps, rounds })
  const ms = jobs.map(({ tookMs }) => tookMs)
  const [p50, p99] = [percentile(ms, 0.5), percentile(ms, 0.99)]
  const bare = percentile(bareMs, 0.5)
  return [
    {
      name: `${of}: p50 against bare bash`,
      value: p50 / bare,
      unit: 'x',
      beside: `p50 ${say(p50)} ms, bare bash ${say(bare)} ms: ${say(p50 - bare)} ms more`,
      bar: { most: timesBare(mostMs), aim: timesBare(aimMs) },
    },
    {
      name: `${of}: p99 over its own p50`,
      value: p99 / p50,
      unit: 'x',
      beside: `p99 ${say(p99)} ms; bare bash ${say(percentile(bareMs, 0.99) / bare)} x`,
      bar: { most: 4, aim: 2 },
    },
    ...(await stepByStep(doorTo(address, credentials), of, jobs)),
  ]
}

type Timed = { readonly id: number; readonly sentAtMs: number; readonly tookMs: number }

/** Where the time goes, by what the server and the client noted of each job; clocks are the same. */
async function stepByStep(door: Door, of: string, jobs: readonly Timed[]): Promise<Figure[]> {
  const walks: number[][] = []
  for (const { id, sentAtMs, tookMs } of jobs) {
    const job = (await (await door.fetch(`/jobs/${id}`)).json()) as JobDetails
    const at = (status: string) => {
      const entry = job.history.find(({ to }) => to === status)
      return entry === undefined ? Number.NaN : Date.parse(entry.at)
    }
    const marks = [
      sentAtMs,
      at('Queued'),
      at('Processing'),
      at('Submitted'),
      at('Running'),
      at('Completed'),
      sentAtMs + tookMs,
    ]
    walks.push(marks.slice(1).map((mark, index) => mark - (marks[index] ?? 0)))
  }
  const steps = [
    'upload',
    'claim',
    'send, submit',
    'start',
    'run, pack, retrieve',
    'commit, download',
  ]
  return steps.map((step, index) => ({
    name: `${of}: of it, ${step}`,
    value: mean(walks.map((walk) => walk[index] ?? Number.NaN).filter(Number.isFinite)),
    unit: 'ms',
  }))
}
