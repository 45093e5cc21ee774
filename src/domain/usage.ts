/** What a script used, which limits it had, and which of them it reached. */
import { describeLimit, limitKinds, limitNames } from './limits.ts'
import type { Limit, LimitName } from './limits.ts'

/**
 * By what something is enforced: by the system as a whole (cgroups), by the system for each process
 * (rlimits), or by the client, which looks again and again.
 */
export type Means = 'cgroup v1' | 'cgroup v2' | 'rlimit' | 'watching'

/** By what each limit is enforced on a machine, and everything ended that a script has started. */
export type Enforcement = { readonly [Name in LimitName]: Means } & {
  readonly end: 'cgroup v1' | 'cgroup v2' | 'session'
}

type EnforcedLimit = Limit & { readonly by: Means }

export type EnforcedLimits = { readonly [Name in LimitName]?: EnforcedLimit }

export type Usage = {
  /** `null` where nobody has measured it. */
  readonly peakMemoryBytes: number | null
  /** To disks, by the script and by all that it waited for. */
  readonly bytesWritten: number | null
  readonly limits: EnforcedLimits
  /** How often something met a limit. */
  readonly hits: { readonly [Name in LimitName]?: number }
  readonly endedBy: Enforcement['end']
}

/** A limit in words. */
export function sayEnforced(limits: EnforcedLimits, name: LimitName): string {
  const limit = limits[name]
  return limit ? describeLimit(name, limit, limit.by) : limitKinds[name].words
}

/** Exit codes of scripts that the system has ended for a limit: SIGXCPU, SIGXFSZ. */
const cpuTimePassed = 128 + 24
const fileTooLarge = 128 + 25

/** The limit that has ended a script, in words, if one did. */
export function endedByLimit(exitCode: number | null, usage: Usage): string | undefined {
  const { limits, hits } = usage
  // What was left goes on without what was killed, and means nothing.
  if (hits.memoryBytes) return sayEnforced(limits, 'memoryBytes')
  if (exitCode === cpuTimePassed && limits.cpuTimeMs) {
    return describeLimit('cpuTimeMs', limits.cpuTimeMs, 'rlimit')
  }
  if (exitCode === fileTooLarge) {
    const name = tighterOnFiles(limits)
    const limit = name && limits[name]
    if (limit) return describeLimit(name, limit, 'rlimit')
  }
  return undefined
}

/** Which limit bounds the size of one file. */
function tighterOnFiles(limits: EnforcedLimits): 'fileSizeBytes' | 'diskBytes' | undefined {
  const { fileSizeBytes: file, diskBytes: disk } = limits
  if (!file) return disk && 'diskBytes'
  return disk && disk.most < file.most ? 'diskBytes' : 'fileSizeBytes'
}

/** What a script that has failed has met, and need not have been ended by. */
export function metLimits({ limits, hits }: Usage): string {
  return limitNames
    .filter((name) => name === 'processes' && hits[name])
    .map((name) => `; it reached its ${sayEnforced(limits, name)}`)
    .join('')
}
