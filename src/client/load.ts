/** CPU use of this machine in percent, measured all the time; asking for it costs nothing. */
import { readFile } from 'node:fs/promises'
import { cpus } from 'node:os'

const sampleMs = 1_000
/** How much of a new sample goes into the figure: about the last three seconds count. */
const weight = 0.4

type Ticks = { readonly busy: number; readonly total: number }

export class LoadMeter implements Disposable {
  #percent = 0
  #before: Ticks | undefined
  readonly #timer: NodeJS.Timeout

  constructor() {
    void this.#sample()
    this.#timer = setInterval(() => void this.#sample(), sampleMs)
  }

  /** 0 to 100, with one decimal. */
  get percent(): number {
    return Math.round(this.#percent * 10) / 10
  }

  async #sample(): Promise<void> {
    const now = await readTicks()
    const before = this.#before
    this.#before = now
    if (!before || now.total <= before.total) return
    const share = (now.busy - before.busy) / (now.total - before.total)
    const sample = Math.min(100, Math.max(0, share * 100))
    this.#percent += (sample - this.#percent) * weight
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}

/** Busy and total clock ticks of all CPUs since boot: the first line of /proc/stat, see proc(5). */
async function readTicks(): Promise<Ticks> {
  const text = await readFile('/proc/stat', 'latin1').catch(() => undefined)
  if (text === undefined) return readTicksOfNode()
  // user nice system idle iowait irq softirq steal; guests are part of user and nice.
  const ticks = text.slice(0, text.indexOf('\n')).split(/ +/).slice(1, 9).map(Number)
  const total = ticks.reduce((sum, value) => sum + value, 0)
  return { busy: total - (ticks[3] ?? 0) - (ticks[4] ?? 0), total }
}

/** The same where there is no /proc. */
function readTicksOfNode(): Ticks {
  const times = cpus().map((cpu) => cpu.times)
  const total = times.reduce((sum, t) => sum + t.user + t.nice + t.sys + t.idle + t.irq, 0)
  const idle = times.reduce((sum, t) => sum + t.idle, 0)
  return { busy: total - idle, total }
}
