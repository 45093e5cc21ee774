/** What bounds one script, how much it uses, and its end. */
import { cpus } from 'node:os'
import type { LimitName } from '../../domain/limits.ts'
import type { EnforcedLimits, Enforcement, Usage } from '../../domain/usage.ts'
import type { PayloadPaths } from '../../files/payload-files.ts'
import type { Cgroups } from './cgroups.ts'
import { DiskUse } from './disk-use.ts'
import { sumOf } from './members.ts'
import type { Sum } from './members.ts'
import { cut, cutForGood } from './output.ts'

/** Between two looks at what may grow fast. */
const lookEveryMs = 200
/** So many looks in a row may find a log that is too large and held by its script. */
const mostHeldLooks = 5
/** Between two looks at CPU time alone, which cannot pass faster than the CPUs allow. */
const longestPauseMs = 10_000

export class PayloadBounds {
  readonly limits: EnforcedLimits
  readonly #paths: PayloadPaths
  readonly #cgroups: Cgroups
  readonly #endedBy: Enforcement['end']
  readonly #disk: DiskUse
  #peakMemoryBytes = 0
  #heldLooks = 0

  constructor(
    paths: PayloadPaths,
    limits: EnforcedLimits,
    cgroups: Cgroups,
    endedBy: Enforcement['end'],
  ) {
    this.limits = limits
    this.#paths = paths
    this.#cgroups = cgroups
    this.#endedBy = endedBy
    this.#disk = new DiskUse([paths.work, paths.home, paths.tmp])
  }

  /** Whether anything has to be looked at again and again. */
  get areWatched(): boolean {
    const { openFiles: _1, fileSizeBytes: _2, ...others } = this.limits
    return Object.entries(others).some(
      ([name, { by }]) => by === 'watching' || name === 'cpuTimeMs',
    )
  }

  /**
   * Looks at what the script uses, and cuts its logs.
   *
   * @param session its supervising shell's.
   * @returns the limit that it has passed, if it has, and when to look again.
   */
  async look(session: number): Promise<{ passed: LimitName | undefined; pauseMs: number }> {
    const { memoryBytes, cpuTimeMs, processes, diskBytes, outputBytes } = this.limits
    if (outputBytes) {
      const held = this.#logs.filter((log) => !cut(log, outputBytes.most))
      this.#heldLooks = held.length === 0 ? 0 : this.#heldLooks + 1
    }
    const isSummed = [memoryBytes, cpuTimeMs, processes].some((limit) => limit?.by === 'watching')
    const sum = isSummed ? sumOf(session) : undefined
    this.#peakMemoryBytes = Math.max(this.#peakMemoryBytes, sum?.memoryBytes ?? 0)
    const { cpuMs, pauseMs: cpuPauseMs } = this.#cpu(sum)
    const isFast = isSummed || outputBytes !== undefined || diskBytes !== undefined
    const pauseMs = isFast ? Math.min(lookEveryMs, cpuPauseMs) : cpuPauseMs
    const passes = (name: LimitName, value: number | undefined) =>
      value !== undefined && value > (this.limits[name]?.most ?? Infinity)
    if (memoryBytes?.by === 'watching' && passes('memoryBytes', sum?.memoryBytes)) {
      return { passed: 'memoryBytes', pauseMs }
    }
    // The supervising shell is not the script's.
    if (processes?.by === 'watching' && sum && passes('processes', sum.threads - 1)) {
      return { passed: 'processes', pauseMs }
    }
    if (this.#heldLooks >= mostHeldLooks) return { passed: 'outputBytes', pauseMs }
    if (passes('cpuTimeMs', cpuMs)) return { passed: 'cpuTimeMs', pauseMs }
    if (diskBytes && passes('diskBytes', await this.#diskBytes(session, diskBytes.most, sum))) {
      return { passed: 'diskBytes', pauseMs }
    }
    return { passed: undefined, pauseMs }
  }

  /**
   * What it has used, when it has ended.
   *
   * @param bytesWritten as its exit record says.
   */
  usage(bytesWritten: number | null): Usage & { readonly cpuMs: number | undefined } {
    const peak = this.#cgroups.peakMemoryBytes() ?? (this.#peakMemoryBytes || null)
    return {
      peakMemoryBytes: peak,
      bytesWritten,
      limits: this.limits,
      hits: this.#cgroups.hits(),
      endedBy: this.#endedBy,
      cpuMs: this.#cgroups.cpuMs(),
    }
  }

  /** Ends whatever it has started and is in its cgroups. @returns `false` if that cannot be ended. */
  end(): Promise<boolean> {
    return this.#cgroups.end()
  }

  /** Cuts the logs for good, when nothing writes any more. @returns how many were too large. */
  cutOutput(): number {
    const { outputBytes } = this.limits
    if (!outputBytes) return 0
    return this.#logs.filter((log) => cutForGood(log, outputBytes.most)).length
  }

  get #logs(): readonly string[] {
    return [this.#paths.stdout, this.#paths.stderr]
  }

  #cpu(sum: Sum | undefined): { cpuMs?: number; pauseMs: number } {
    const { cpuTimeMs } = this.limits
    if (!cpuTimeMs) return { pauseMs: longestPauseMs }
    const cpuMs = this.#cgroups.cpuMs() ?? sum?.cpuMs ?? 0
    const leftMs = Math.max(0, cpuTimeMs.most - cpuMs) / cpus().length
    return { cpuMs, pauseMs: Math.min(longestPauseMs, Math.max(lookEveryMs / 4, leftMs)) }
  }

  #diskBytes(session: number, mostBytes: number, sum: Sum | undefined) {
    const pids = () => {
      if (this.#endedBy !== 'session') return this.#cgroups.pids()
      return (sum ?? sumOf(session)).pids
    }
    return this.#disk.look(pids, mostBytes)
  }
}
