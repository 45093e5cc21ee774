/** Whether anything gets slower, or larger, with a million jobs in the queue. */
import { BacklogQueue } from './backlog-queue.ts'
import { trivial } from './bench.ts'
import type { Settings } from './bench.ts'
import { percentile, say } from './figure.ts'
import type { Bar, Figure } from './figure.ts'
import { Load } from './load/process.ts'

const users = 1_000
/** As many as are run, and some that are under way when a run ends. */
const runnable = 1_000
/** The first has none but those that are run. */
const backlogs = { empty: runnable, '10 thousand': 10_000, '1 million': 1_000_000 } as const
type Name = keyof typeof backlogs
const names: readonly Name[] = ['empty', '10 thousand', '1 million']

/** Of uploads and of runs; the queues take turns. */
const rounds = 5
const uploads = { sample: trivial, count: 80, atOnce: 8, users: 8 }
const jobsARun = 120

/** What was measured of one queue. */
type Measured = {
  readonly readyMs: number
  readonly memoryMb: number
  /** One of each round: half of its uploads took less. */
  readonly uploadMs: readonly number[]
  /** One of each round. */
  readonly jobsPerS: readonly number[]
}

export async function backlog({ build }: Settings): Promise<Figure[]> {
  await using stack = new AsyncDisposableStack()
  const queues: BacklogQueue[] = []
  for (const name of names) {
    const seeded = { jobs: backlogs[name], users, runnable }
    queues.push(stack.use(await BacklogQueue.open(build, seeded)))
  }
  const measured = await measure(queues)
  const [empty] = measured
  if (!empty) throw new Error('there is no empty queue')
  const figures: Figure[] = []
  for (const [index, name] of names.entries()) {
    const queue: Measured = measured[index] ?? empty
    const of = `backlog, ${build}: ${name}`
    const isLargest = name === '1 million'
    const memory: Figure = {
      name: `${of}, memory of the server`,
      value: queue.memoryMb,
      unit: 'MB',
      beside: `ready after ${say(queue.readyMs / 1000)} s`,
      ...(isLargest && { bar: { most: 250, aim: 120 } }),
    }
    const bar = isLargest ? { bar: { least: 0.9, aim: 1 } } : {}
    if (queue !== empty) figures.push(...against(of, queue, empty, bar))
    figures.push(memory)
  }
  return figures
}

/** First all uploads, while nothing is sent to clients, then the runs. */
async function measure(queues: readonly BacklogQueue[]): Promise<Measured[]> {
  await using load = new Load()
  const uploadMs = queues.map((): number[] => [])
  // The first round is to warm up.
  for (let round = 0; round <= rounds; round++) {
    for (const [index, { address }] of queues.entries()) {
      const { ms } = await load.ask('uploads', { ...uploads, address })
      if (round > 0) uploadMs[index]?.push(percentile(ms, 0.5))
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const queue of queues) await queue.run(jobsARun)
  }
  const measured: Measured[] = []
  for (const [index, queue] of queues.entries()) {
    const memoryMb = await queue.memoryMb()
    await queue.stop()
    const { readyMs } = queue
    const jobsPerS = queue.ratesPerS(jobsARun)
    measured.push({ readyMs, memoryMb, uploadMs: uploadMs[index] ?? [], jobsPerS })
  }
  return measured
}

function against(
  of: string,
  queue: Measured,
  empty: Measured,
  bar: { readonly bar?: Bar },
): Figure[] {
  const { jobsPerS, uploadMs } = queue
  return [
    {
      name: `${of}, throughput against empty`,
      value: ratio(jobsPerS, empty.jobsPerS),
      unit: 'x',
      beside: `${say(median(jobsPerS))} jobs/s, empty ${say(median(empty.jobsPerS))} /s`,
      ...bar,
    },
    {
      name: `${of}, upload p50: empty against it`,
      value: ratio(empty.uploadMs, uploadMs),
      unit: 'x',
      beside: `p50 ${say(median(uploadMs))} ms, empty ${say(median(empty.uploadMs))} ms`,
      ...bar,
    },
  ]
}

/** What was measured in the same round is compared, for the machine is not always the same. */
function ratio(values: readonly number[], others: readonly number[]): number {
  return median(values.map((value, round) => value / (others[round] ?? Number.NaN)))
}

function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}
