/** What the processes of a script use, where no cgroup counts it: as /proc tells it. */
import { readdirSync } from 'node:fs'
import { readProc, readStatFields } from '../processes.ts'

export type Sum = {
  readonly pids: readonly number[]
  readonly threads: number
  /** Of what is there, and of what that has waited for. */
  readonly cpuMs: number
  /** Without what is in files, such as libraries; what processes share counts once. */
  readonly memoryBytes: number
}

/** On all machines of ours. */
const msPerTick = 10

/** Fields of /proc/PID/stat, from the state on. */
const at = { parent: 1, session: 3, times: [11, 12, 13, 14], threads: 17 } as const

/** Fields of all processes, by their ids. */
type Processes = ReadonlyMap<number, readonly string[]>

/** Less than between two looks at one script. */
const sameMomentMs = 50

/** The last look at all processes, by the monotonic clock. */
let seen: { readonly atMs: number; readonly all: Processes } = { atMs: -Infinity, all: new Map() }

/**
 * All processes in a session, and all that come from them: a sandbox is in another session, and all
 * that is in it comes from one process.
 *
 * @param session 0 where it is not known: the kernel's own threads are in that.
 */
export function sumOf(session: number): Sum {
  if (session <= 0) return { pids: [], threads: 0, cpuMs: 0, memoryBytes: 0 }
  const all = allProcesses()
  const pids = familyOf(all, session)
  let [threads, ticks, memoryBytes] = [0, 0, 0]
  for (const pid of pids) {
    const fields = all.get(pid) ?? []
    threads += Number(fields[at.threads])
    for (const index of at.times) ticks += Number(fields[index])
    memoryBytes += memoryOf(pid)
  }
  return { pids: [...pids], threads, cpuMs: ticks * msPerTick, memoryBytes }
}

/** Many scripts are looked at in one moment: all but the first see what that one saw. */
function allProcesses(): Processes {
  const now = performance.now()
  if (now - seen.atMs < sameMomentMs) return seen.all
  const all = new Map<number, readonly string[]>()
  for (const pid of readdirSync('/proc').map(Number)) {
    const fields = pid > 0 ? readStatFields(pid) : undefined
    if (fields) all.set(pid, fields)
  }
  seen = { atMs: now, all }
  return all
}

/** Its own, and its part of what it shares with others: to find that part costs more. */
function memoryOf(pid: number): number {
  const status = readProc(`/proc/${pid}/status`) ?? ''
  const [own, shared] = [kibibytes(status, 'RssAnon'), kibibytes(status, 'RssShmem')]
  if (shared === 0) return 1024 * own
  const parts = readProc(`/proc/${pid}/smaps_rollup`) ?? ''
  return 1024 * (own + (parts === '' ? shared : kibibytes(parts, 'Pss_Shmem')))
}

function kibibytes(text: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0)
}

function familyOf(all: Processes, session: number): Set<number> {
  const family = new Set<number>()
  for (const [pid, fields] of all) if (Number(fields[at.session]) === session) family.add(pid)
  for (let before = -1; before < family.size;) {
    before = family.size
    for (const [pid, fields] of all) if (family.has(Number(fields[at.parent]))) family.add(pid)
  }
  return family
}
