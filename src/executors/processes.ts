/** Looking at and ending processes of this machine (Linux, proc(5)). */
import { readFile, readdir } from 'node:fs/promises'
import { systemCode } from '../domain/errors.ts'

/** A process is recognised by all three: its id alone may be another's by now. */
export type ProcessIdentity = {
  readonly pid: number
  /** Clock ticks since boot. */
  readonly startTime: number
  readonly bootId: string
}

const bootIdFile = '/proc/sys/kernel/random/boot_id'

/** Which boot of the machine this is; empty where that cannot be known. */
export async function readBootId(): Promise<string> {
  return (await readProc(bootIdFile))?.trim() ?? ''
}

type ProcessStat = { readonly state: string; readonly session: number; readonly startTime: number }

/** `undefined` when there is no such process. */
export async function readStat(pid: number): Promise<ProcessStat | undefined> {
  const text = await readProc(`/proc/${pid}/stat`)
  // The second field is the program's name, which may contain anything, even ")".
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ')
  if (!fields) return undefined
  return { state: fields[0] ?? '', session: Number(fields[3]), startTime: Number(fields[19]) }
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
export async function ageMs({ startTime }: Pick<ProcessIdentity, 'startTime'>): Promise<number> {
  const [uptime, own] = await Promise.all([readProc('/proc/uptime'), readStat(process.pid)])
  const ownStart = (own?.startTime ?? 0) / ticksPerSecond
  const now = Math.max(Number(uptime?.split(' ')[0] ?? 0), ownStart + process.uptime())
  return Math.max(0, 1000 * (now - startTime / ticksPerSecond))
}

/** Whether the process is there and alive; a zombie is not. */
export async function isSameProcess({ pid, startTime, bootId }: ProcessIdentity): Promise<boolean> {
  const [stat, boot] = await Promise.all([readStat(pid), readBootId()])
  return stat?.startTime === startTime && stat.state !== 'Z' && boot === bootId
}

/**
 * The process ids of all that a payload's script started and left: those in the session of its
 * supervising shell, and those that left it but still have the payload's private TMPDIR.
 *
 * @param session `null` where the supervising shell's id may be another process's by now.
 * @param above process ids up to this one are not looked at; see `idsStillRiseFrom`.
 */
export async function findLeftovers(
  session: number | null,
  tmpDirectory: string,
  above = 0,
): Promise<number[]> {
  const marker = `TMPDIR=${tmpDirectory}`
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const belongs = async (pid: number): Promise<boolean> => {
    const stat = await readStat(pid)
    if (!stat || stat.state === 'Z') return false
    if (stat.session === session) return true
    const environment = await readProc(`/proc/${pid}/environ`)
    return environment?.split('\0').includes(marker) ?? false
  }
  const asked = pids.filter((pid) => pid > above && pid !== process.pid && pid !== session)
  const answers = await Promise.all(asked.map(belongs))
  return asked.filter((_, index) => answers[index])
}

/**
 * Whether all that was started since a process was has a higher id than it: ids are given in
 * rising order, and begin again from the lowest at their end. Only to be trusted for a process so
 * young that they cannot have gone all the way round.
 */
export async function idsStillRiseFrom(pid: number): Promise<boolean> {
  const lastId = (await readProc('/proc/loadavg'))?.trim().split(' ').at(-1)
  return Number(lastId) >= pid
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

async function readProc(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'latin1')
  } catch {
    return undefined // it ended meanwhile, or it is another user's
  }
}
