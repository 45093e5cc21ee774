/** Looking at and ending processes of this machine (Linux, proc(5)). */
import { readFileSync, readdirSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { systemCode } from '../domain/errors.ts'
import type { Sessions } from './sessions.ts'

/** A process is recognised by all three: its id alone may be another's by now. */
export type ProcessIdentity = {
  readonly pid: number
  /** Clock ticks since boot. */
  readonly startTime: number
  readonly bootId: string
}

/** So many processes are looked at in one go. */
const atOnce = 100

const bootIdFile = '/proc/sys/kernel/random/boot_id'

/** Which boot of the machine this is; empty where that cannot be known. */
export function readBootId(): string {
  return readProc(bootIdFile)?.trim() ?? ''
}

type ProcessStat = {
  readonly state: string
  /** Its process group. */
  readonly group: number
  readonly session: number
  readonly startTime: number
}

/** Fields of /proc/PID/stat, from the state on; `undefined` when there is no such process. */
export function readStatFields(pid: number): string[] | undefined {
  const text = readProc(`/proc/${pid}/stat`)
  // The second field is the program's name, which may contain anything, even ")".
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')
}

/** `undefined` when there is no such process. */
export function readStat(pid: number): ProcessStat | undefined {
  const fields = readStatFields(pid)
  if (!fields) return undefined
  return {
    state: fields[0] ?? '',
    group: Number(fields[2]),
    session: Number(fields[3]),
    startTime: Number(fields[19]),
  }
}

/** Of the times in /proc, on all machines. */
const ticksPerSecond = 100

/**
 * How long ago a process of this boot was started, in milliseconds.
 *
 * Start times are told by a clock that nobody can set and that goes on while the machine is
 * suspended. The uptime is told by the same, but for containers that have their own (lxcfs); there
 * it is behind, and this process knows it at least by its own start and how long it has run.
 */
export function ageMs({ startTime }: Pick<ProcessIdentity, 'startTime'>): number {
  const uptime = readProc('/proc/uptime')
  const ownStart = (readStat(process.pid)?.startTime ?? 0) / ticksPerSecond
  const now = Math.max(Number(uptime?.split(' ')[0] ?? 0), ownStart + process.uptime())
  return Math.max(0, 1000 * (now - startTime / ticksPerSecond))
}

/** Whether the process is there and alive; a zombie is not. */
export function isSameProcess({ pid, startTime, bootId }: ProcessIdentity): boolean {
  const stat = readStat(pid)
  return stat?.startTime === startTime && stat.state !== 'Z' && readBootId() === bootId
}

/**
 * The process ids of all that a payload's script started and left: those in the session of its
 * supervising shell, and those that left it but still have the payload's private TMPDIR.
 *
 * @param session `null` where the supervising shell's id may be another process's by now.
 * @param above process ids up to this one are not looked at; see `idsStillRiseFrom`.
 * @param others sessions of other payloads, whose processes are not looked at further.
 */
export async function findLeftovers(
  session: number | null,
  tmpDirectory: string,
  above = 0,
  others?: Sessions,
): Promise<number[]> {
  const marker = `TMPDIR=${tmpDirectory}`
  const belongs = (pid: number): boolean => {
    const stat = readStat(pid)
    if (!stat || stat.state === 'Z') return false
    if (stat.session === session) return true
    if (others?.has(stat.session)) return false
    const environment = readProc(`/proc/${pid}/environ`)
    return environment?.split('\0').includes(marker) ?? false
  }
  const isAsked = (pid: number) => pid !== process.pid && pid !== session && !others?.has(pid)
  const asked = idsAbove(above, isAsked)
  const found: number[] = []
  for (const [index, pid] of asked.entries()) {
    if (belongs(pid)) found.push(pid)
    // Where there are thousands, others may want to do something meanwhile.
    if (index % atOnce === atOnce - 1) await setImmediate()
  }
  return found
}

/** Ids of processes above this one; the system lists all that there are, which takes its time. */
function idsAbove(above: number, isAsked: (pid: number) => boolean): number[] {
  const span = above === 0 ? Infinity : lastGivenId() - above
  // Where the last id cannot be known, all are looked at.
  if (!(span >= 0 && span <= atOnce)) {
    return readdirSync('/proc')
      .map(Number)
      .filter((id) => id > above && isAsked(id))
  }
  return Array.from({ length: span }, (_, index) => above + 1 + index).filter(isAsked)
}

/**
 * Whether all that was started since a process was has a higher id than it: ids are given in
 * rising order, and begin again from the lowest at their end. Only to be trusted for a process so
 * young that they cannot have gone all the way round.
 */
export function idsStillRiseFrom(pid: number): boolean {
  return lastGivenId() >= pid
}

/** `NaN` where it cannot be known. */
function lastGivenId(): number {
  return Number(readProc('/proc/loadavg')?.trim().split(' ').at(-1))
}

/**
 * Sends a signal to a process, or to a group as a negative number.
 *
 * @returns `false` if it is not there, or belongs to somebody else (by sudo, for instance).
 */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(pid, name)
    return true
  } catch (error) {
    if (systemCode(error) === 'ESRCH' || systemCode(error) === 'EPERM') return false
    throw error
  }
}

/** A file of proc(5); `undefined` where it cannot be had. */
export function readProc(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return undefined // it ended meanwhile, or it is another user's
  }
}
