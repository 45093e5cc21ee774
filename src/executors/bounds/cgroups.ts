/** The cgroups of one payload: what it uses is bounded, counted, and ended as a whole. */
import type { Dirent } from 'node:fs'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { systemCode } from '../../domain/errors.ts'
import type { LimitName, LimitValues } from '../../domain/limits.ts'
import { signal } from '../processes.ts'
import type { Trees, V1Controller } from './trees.ts'

/** Directories; what is not there has none. They are noted with the payload. */
export type CgroupPaths = {
  readonly v2?: string
  readonly v1?: { readonly [Controller in V1Controller]?: string }
}

export type CgroupMeans = 'cgroup v1' | 'cgroup v2'

/** Killed processes leave a cgroup soon; one that waits for a dead disk may never. */
const mostRounds = 60
const longestPauseMs = 100

/** Which limits cgroups enforce or measure here. */
export function meansIn({ v1, v2 }: Trees): { readonly [Name in LimitName | 'end']?: CgroupMeans } {
  const by = (controller: V1Controller, ofV2: string): CgroupMeans | undefined => {
    if (v1.has(controller)) return 'cgroup v1'
    return v2?.controllers.has(ofV2) ? 'cgroup v2' : undefined
  }
  const memoryBytes = by('memory', 'memory')
  const processes = by('pids', 'pids')
  // Version 2 counts CPU time everywhere, and can end all that is in a cgroup.
  const isV2Used = v2 !== undefined && !v1.has('pids')
  const cpuTimeMs = isV2Used ? 'cgroup v2' : v1.has('cpuacct') ? 'cgroup v1' : undefined
  const end = v1.has('pids') ? 'cgroup v1' : isV2Used ? 'cgroup v2' : undefined
  return {
    ...(memoryBytes && { memoryBytes }),
    ...(processes && { processes }),
    ...(cpuTimeMs && { cpuTimeMs }),
    ...(end && { end }),
  }
}

/** The cgroups of a payload, as far as they are of use; they may not be there. */
export function cgroupsOf({ v1, v2 }: Trees, name: string, limits: LimitValues = {}): Cgroups {
  const wanted = (['pids', 'memory', 'cpuacct'] as const).filter(
    (controller) => controller !== 'cpuacct' || limits.cpuTimeMs !== undefined,
  )
  const ofV1 = wanted.flatMap((controller) => {
    const parent = v1.get(controller)
    return parent === undefined ? [] : [[controller, join(parent, name)] as const]
  })
  return new Cgroups({
    v1: Object.fromEntries(ofV1),
    ...(v2 && !v1.has('pids') && { v2: join(v2.parent, name) }),
  })
}

export class Cgroups {
  readonly paths: CgroupPaths

  constructor(paths: CgroupPaths) {
    this.paths = paths
  }

  /** All of them. */
  get directories(): string[] {
    const { v1 = {}, v2 } = this.paths
    return [...Object.values(v1), ...(v2 === undefined ? [] : [v2])]
  }

  get areThere(): boolean {
    return this.directories.some((directory) => existsSync(directory))
  }

  /** @throws errors of the system. */
  make({ memoryBytes, processes }: LimitValues): void {
    const { v1 = {}, v2 } = this.paths
    for (const directory of this.directories) mkdirSync(directory, { recursive: true })
    if (memoryBytes !== undefined) {
      if (v1.memory !== undefined) {
        write(v1.memory, 'memory.limit_in_bytes', memoryBytes)
        // Where swap is not accounted for, there is no such file.
        writeIfThere(v1.memory, 'memory.memsw.limit_in_bytes', memoryBytes)
      } else if (v2 !== undefined) {
        write(v2, 'memory.max', memoryBytes)
        writeIfThere(v2, 'memory.swap.max', 0)
        write(v2, 'memory.oom.group', 1)
      }
    }
    if (processes !== undefined) {
      const directory = v1.pids ?? v2
      if (directory !== undefined) write(directory, 'pids.max', processes)
    }
  }

  /** All that is in them. */
  pids(): number[] {
    const { v1 = {}, v2 } = this.paths
    const directory = v1.pids ?? v2
    if (directory === undefined) return []
    const listed = nested(directory).map((one) => readIn(one, 'cgroup.procs') ?? '')
    const pids = listed.flatMap((text) => text.split('\n').map(Number))
    // 0 is one that cannot be seen from here (of another PID namespace); as a process to signal it is
    // the client's own group.
    return pids.filter((pid) => pid > 0)
  }

  /** Of all that is and was in them; `undefined` where it is not counted. */
  cpuMs(): number | undefined {
    const { v1 = {}, v2 } = this.paths
    const ofV1 = v1.cpuacct === undefined ? undefined : readIn(v1.cpuacct, 'cpuacct.usage')
    if (ofV1 !== undefined) return Number(ofV1) / 1e6
    const micros = v2 === undefined ? undefined : entry(v2, 'cpu.stat', 'usage_usec')
    return micros === undefined ? undefined : micros / 1000
  }

  peakMemoryBytes(): number | undefined {
    const { v1 = {}, v2 } = this.paths
    const text =
      (v1.memory === undefined ? undefined : readIn(v1.memory, 'memory.max_usage_in_bytes')) ??
      (v2 === undefined ? undefined : readIn(v2, 'memory.peak'))
    return text === undefined ? undefined : Number(text)
  }

  /** How often something was killed for want of memory, or a process was refused. */
  hits(): { memoryBytes: number; processes: number } {
    const { v1 = {}, v2 } = this.paths
    const memory =
      v1.memory === undefined
        ? v2 !== undefined && entry(v2, 'memory.events', 'oom_kill')
        : entry(v1.memory, 'memory.oom_control', 'oom_kill')
    const ofPids = v1.pids ?? v2
    const processes = ofPids === undefined ? 0 : entry(ofPids, 'pids.events', 'max')
    return { memoryBytes: Number(memory ?? 0), processes: processes ?? 0 }
  }

  /** Ends all that is in them, whatever it has become, and removes them. */
  async end(): Promise<boolean> {
    const { v1 = {}, v2 } = this.paths
    // Nothing more can be started then, however fast it tries.
    if (v1.pids !== undefined) writeIfThere(v1.pids, 'pids.max', 0)
    for (let round = 0; round < mostRounds; round++) {
      if (v2 !== undefined) writeIfThere(v2, 'cgroup.kill', 1)
      for (const pid of this.pids()) signal(pid, 'SIGKILL')
      if (this.removeNow()) return true
      await delay(Math.min(longestPauseMs, 2 ** round))
    }
    return false
  }

  /** @returns whether none of them is there. */
  removeNow(): boolean {
    let isGone = true
    for (const directory of this.directories) {
      try {
        for (const inside of nested(directory)) rmdirSync(inside)
      } catch (error) {
        if (systemCode(error) !== 'ENOENT') isGone = false
      }
    }
    return isGone
  }
}

/** A cgroup and those that a script has made in it, the innermost first. */
function nested(directory: string): string[] {
  const inside = entriesOf(directory).filter((one) => one.isDirectory())
  return [...inside.flatMap(({ name }) => nested(join(directory, name))), directory]
}

function entriesOf(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
  } catch {
    return [] // it is gone
  }
}

function write(directory: string, name: string, value: number): void {
  writeFileSync(join(directory, name), String(value))
}

function writeIfThere(directory: string, name: string, value: number): void {
  try {
    writeFileSync(join(directory, name), String(value), { flag: 'r+' })
  } catch {
    // It is not, or the kernel does not want it.
  }
}

function readIn(directory: string, name: string): string | undefined {
  try {
    return readFileSync(join(directory, name), 'latin1').trim()
  } catch {
    return undefined
  }
}

/** One line of a file that has a name and a number in each. */
function entry(directory: string, file: string, name: string): number | undefined {
  const lines = readIn(directory, file)?.split('\n') ?? []
  const line = lines.find((one) => one.startsWith(`${name} `))
  return line === undefined ? undefined : Number(line.slice(name.length + 1))
}
