/** The processes of a script that bubblewrap keeps in a PID namespace of its own. */
import { readlinkSync, readdirSync } from 'node:fs'
import { setImmediate, setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../../log.ts'
import { readProc, readStat, signal } from '../processes.ts'
import { readSandbox } from './record.ts'
import type { SandboxRecord } from './record.ts'

/** A sandbox is there some milliseconds after its shell has begun to make it. */
const lookAgainMs = 2
const mostLooks = 1_000

/** A killed process is gone soon; one that waits for a dead disk may never be. */
const mostRounds = 50
const longestPauseMs = 100

/** So many processes are looked at in one go. */
const atOnce = 100

/** Whether a payload's script is kept in a sandbox. */
export function isSandboxed(file: string): boolean {
  return readSandbox(file)?.confinement.by === 'bwrap'
}

/**
 * Sends a signal to the script, as it would be sent to a process group outside. The first process
 * inside hears none but SIGKILL, which is the end of all others.
 *
 * @param file the sandbox record.
 * @param isWanted whether it is still to be done: a script that is being started is waited for.
 * @returns `false` if nothing of it is there.
 */
export async function signalInside(
  file: string,
  name: NodeJS.Signals,
  isWanted: () => boolean,
): Promise<boolean> {
  for (let look = 0; look < mostLooks && isWanted(); look++) {
    const record = readSandbox(file)
    const first = firstOf(record)
    if (name === 'SIGKILL') return first !== undefined && signal(first, name)
    const members = first === undefined ? [] : await membersOf(first, record?.pidNamespace)
    if (first !== undefined && members.length > 0) {
      const isGrouped = members.some((pid) => readStat(pid)?.group === first)
      if (isGrouped) return signal(-first, name)
      return members.map((pid) => signal(pid, name)).includes(true)
    }
    // Nothing comes any more when bubblewrap has told of its end.
    if (record?.exitCode !== undefined) return false
    await delay(lookAgainMs)
  }
  return false
}

/** Ends whatever is inside, and returns when the namespace has nothing in it any more. */
export async function endInside(file: string, log: Log): Promise<void> {
  for (let round = 0; round < mostRounds; round++) {
    const first = firstOf(readSandbox(file))
    if (first === undefined) return
    signal(first, 'SIGKILL')
    await delay(Math.min(longestPauseMs, 2 ** round))
  }
  log.warn({ file }, 'a sandbox has processes that cannot be ended')
}

/**
 * The first process inside, by its id outside; `undefined` if it is not there. It is a zombie only
 * when all others are gone.
 */
function firstOf(record: SandboxRecord | undefined): number | undefined {
  const pid = record?.firstPid
  if (pid === undefined) return undefined
  const stat = readStat(pid)
  // The id may be another process's by now, but hardly the first one's of another namespace.
  if (
    !stat ||
    stat.state === 'Z' ||
    !/^NSpid:.*\t1$/m.test(readProc(`/proc/${pid}/status`) ?? '')
  ) {
    return undefined
  }
  const namespace = namespaceOf(pid)
  const known = record?.pidNamespace
  return namespace === undefined || known === undefined || namespace === known ? pid : undefined
}

/** All others inside. */
async function membersOf(first: number, namespace: number | undefined): Promise<number[]> {
  const found: number[] = []
  for (const [index, pid] of readdirSync('/proc').map(Number).entries()) {
    if (pid > 0 && pid !== first && belongs(pid, first, namespace)) found.push(pid)
    if (index % atOnce === atOnce - 1) await setImmediate()
  }
  return found
}

function belongs(pid: number, first: number, namespace: number | undefined): boolean {
  const stat = readStat(pid)
  if (!stat || stat.state === 'Z') return false
  return stat.session === first || (namespace !== undefined && namespaceOf(pid) === namespace)
}

/** `undefined` where it cannot be had: a process can close itself to others of its user. */
function namespaceOf(pid: number): number | undefined {
  try {
    return Number(/\d+/.exec(readlinkSync(`/proc/${pid}/ns/pid`))?.[0])
  } catch {
    return undefined
  }
}
