/** How long a user's job waits while another user has thousands of them in the queue. */
import { setTimeout as delay } from 'node:timers/promises'
import type { JobDetails } from '../src/domain/protocol.ts'
import type { Settings } from './bench.ts'
import { percentile, say } from './figure.ts'
import type { Figure } from './figure.ts'
import { Load } from './load/process.ts'
import { Seed } from './seed.ts'
import { Bed } from './subject.ts'
import type { Build } from './subject.ts'

const flood = 10_000
/** So many of these at most run meanwhile; the others need no files. */
const mostRun = 400
/** Either user may have both of the slots. */
const quota = { SERVICE_EXAMPLE_MAX_RUNS: '2', SERVICE_EXAMPLE_RUNS_PER_USER: '2' }
const lengthMs = 200
const script = `sleep ${lengthMs / 1000}\n`
/** Of the other user, who sends one every second. */
const count = 15
const everyMs = 1_000
const warmUpMs = 3_000
/** Jobs of the flooder that run in the meantime. */
const ofOther = Array.from({ length: 60 }, (_, index) => index + 31)

export async function fairness({ build }: Settings): Promise<Figure[]> {
  const empty = await measure(build, 0)
  const flooded = await measure(build, flood)
  const [longest, longestEmpty] = [Math.max(...flooded.waitMs), Math.max(...empty.waitMs)]
  const most = 50
  return [
    {
      name: `fairness, ${build}: longest wait beside ${flood} jobs, less the time that one takes`,
      value: longest - flooded.slotMs,
      unit: 'ms',
      beside:
        `of ${count}: longest ${say(longest)} ms, p50 ${say(percentile(flooded.waitMs, 0.5))} ms; ` +
        `a job sleeps ${lengthMs} ms and takes ${say(flooded.slotMs)} ms; in an empty system ` +
        `longest ${say(longestEmpty)} ms, p50 ${say(percentile(empty.waitMs, 0.5))} ms`,
      bar: { most, aim: most },
    },
  ]
}

/** @param queued jobs of another user that are in the queue when the server starts. */
async function measure(build: Build, queued: number) {
  await using bed = await Bed.create(build)
  if (queued > 0) {
    await using seeds = await Seed.open(bed)
    await seeds.queue('flooder', mostRun, script)
    await seeds.queue('flooder', queued - mostRun)
  }
  const { address } = (await bed.pair([], quota)).server
  await using load = new Load()
  await delay(warmUpMs)
  const { ids } = await load.ask('paced', { address, sample: { script }, count, everyMs })
  const jobs = await Promise.all(ids.map((id) => ended(address, id)))
  const others = queued > 0 ? ofOther : ids
  const ends = await Promise.all(others.map((id) => ended(address, id)))
  return {
    waitMs: jobs.map((job) => Date.parse(job.attempts[0]?.startedAt ?? '') - createdAtMs(job)),
    slotMs: percentile(ends.map(slotMs), 0.5),
  }
}

function createdAtMs({ createdAt }: JobDetails): number {
  return Date.parse(createdAt)
}

/** For how long a job had its slot. */
function slotMs({ attempts: [attempt] }: JobDetails): number {
  return Date.parse(attempt?.endedAt ?? '') - Date.parse(attempt?.claimedAt ?? '')
}

/** A job when it has ended. */
async function ended(address: string, id: number): Promise<JobDetails> {
  for (;;) {
    const job = (await (await fetch(`${address}/jobs/${id}`)).json()) as JobDetails
    if (job.status === 'Completed') return job
    if (job.finalAt !== null) throw new Error(`job ${id} is ${job.status}: ${job.message}`)
    await delay(100)
  }
}
