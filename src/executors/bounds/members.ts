/** What the processes of a script use, where no cgroup counts it: as /proc tells it. */
import { readdirSync } from 'node:fs'
import { readProc } from '../processes.ts'

export type Sum = {
  readonly pids: readonly number[]
  readonly threads: number
  /** Of what is there, and of what that has waited for. */
  readonly cpuMs: number
  /** Without what is shared with others, such as libraries. */
  readonly memoryBytes: number
}

/** On all machines of ours. */
const pageBytes = 4096
const msPerTick = 10

/** Fields of /proc/PID/stat, from the state on. */
const at = { parent: 1, session: 3, times: [11, 12, 13, 14], threads: 17 } as const

/**
 * All processes in a session, and all that come from them: a sandbox is in another session, and all
 * that is in it comes from one process.
 *
 * @param session 0 where it is not known: the kernel's own threads are in that.
 */
export function sumOf(session: number): Sum {
  if (session <= 0) return { pids: [], threads: 0, cpuMs: 0, memoryBytes: 0 }
  const all = new Map<number, readonly string[]>()
  for (const pid of readdirSync('/proc').map(Number)) {
    const text = pid > 0 ? readProc(`/proc/${pid}/stat`) : undefined
    const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ')
    if (fields) all.set(pid, fields)
  }
  const pids = familyOf(all, session)
  let [threads, ticks, pages] = [0, 0, 0]
  for (const pid of pids) {
    const fields = all.get(pid) ?? []
    threads += Number(fields[at.threads])
    for (const index of at.times) ticks += Number(fields[index])
    const [, resident = 0, shared = 0] = (readProc(`/proc/${pid}/statm`) ?? '')
      .split(' ')
      .map(Number)
    pages += Math.max(0, resident - shared)
  }
  return { pids: [...pids], threads, cpuMs: ticks * msPerTick, memoryBytes: pages * pageBytes }
}

function familyOf(all: ReadonlyMap<number, readonly string[]>, session: number): Set<number> {
  const family = new Set<number>()
  for (const [pid, fields] of all) if (Number(fields[at.session]) === session) family.add(pid)
  for (let before = -1; before < family.size;) {
    before = family.size
    for (const [pid, fields] of all) if (family.has(Number(fields[at.parent]))) family.add(pid)
  }
  return family
}
