/**
 * Use of the CPUs that this client may use, in percent. It is measured all the time; asking for it
 * costs nothing.
 */
import { cpus } from 'node:os'
import { readProc } from '../executors/processes.ts'
import { allowedCpus, ticksOf } from './ticks.ts'
import type { Ticks } from './ticks.ts'

const sampleMs = 1_000
/** How much of a new sample goes into the figure: about the last three seconds count. */
const weight = 0.4

export class LoadMeter implements Disposable {
  #percent = 0
  #before: Ticks | undefined
  readonly #timer: NodeJS.Timeout

  constructor() {
    this.#sample()
    this.#timer = setInterval(() => this.#sample(), sampleMs)
  }

  /** 0 to 100, with one decimal. */
  get percent(): number {
    return Math.round(this.#percent * 10) / 10
  }

  #sample(): void {
    const now = readTicks()
    const before = this.#before
    this.#before = now
    if (!before || now.cpus !== before.cpus || now.total <= before.total) return
    const share = (now.busy - before.busy) / (now.total - before.total)
    const sample = Math.min(100, Math.max(0, share * 100))
    this.#percent += (sample - this.#percent) * weight
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}

/** Ticks of the CPUs that this process may use: it may be pinned to some (taskset, cpuset, Slurm). */
function readTicks(): Ticks {
  const stat = readProc('/proc/stat')
  if (stat === undefined) return readTicksOfNode()
  return ticksOf(stat, allowedCpus(readProc('/proc/self/status') ?? ''))
}

/** The same where there is no /proc. */
function readTicksOfNode(): Ticks {
  const times = cpus().map((cpu) => cpu.times)
  const total = times.reduce((sum, t) => sum + t.user + t.nice + t.sys + t.idle + t.irq, 0)
  const idle = times.reduce((sum, t) => sum + t.idle, 0)
  return { busy: total - idle, total, cpus: '' }
}
