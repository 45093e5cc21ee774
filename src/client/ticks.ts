/** Clock ticks of CPUs, out of what the system says of them. */

/** Ticks since boot, summed over some CPUs. */
export type Ticks = {
  readonly busy: number
  readonly total: number
  /** Which CPUs these are; ticks of others are not to be compared with them. */
  readonly cpus: string
}

/** The CPUs that a process may use, as `/proc/PID/status` lists them: `0-3,8`; see proc(5). */
export function allowedCpus(status: string): string | undefined {
  return /^Cpus_allowed_list:\s*([\d,-]+)$/m.exec(status)?.[1]
}

/**
 * Ticks out of `/proc/stat`.
 *
 * @param allowed only these CPUs count, such as `0-3,8`; without it, or if none of them is there,
 *   the whole machine does.
 */
export function ticksOf(stat: string, allowed: string | undefined): Ticks {
  const ranges = allowed?.split(',').map((range) => range.split('-').map(Number)) ?? []
  const isAllowed = (cpu: number) =>
    ranges.some(([first = NaN, last = first]) => first <= cpu && cpu <= last)
  const lines = stat.split('\n').filter((line) => line.startsWith('cpu'))
  const own = lines.filter((line) => isAllowed(Number.parseInt(line.slice('cpu'.length), 10)))
  const counted = own.length > 0 ? own : lines.slice(0, 1)
  let [busy, total] = [0, 0]
  for (const line of counted) {
    // user nice system idle iowait irq softirq steal; guests are part of user and nice.
    const ticks = line.split(/ +/).slice(1, 9).map(Number)
    const all = ticks.reduce((sum, value) => sum + value, 0)
    total += all
    busy += all - (ticks[3] ?? 0) - (ticks[4] ?? 0)
  }
  return { busy, total, cpus: counted.map((line) => line.slice(0, line.indexOf(' '))).join() }
}
