/** What the supervising shell wrote: its start record and its exit record. */
import { closeSync, openSync } from 'node:fs'
import { systemCode } from '../domain/errors.ts'
import { signalOf } from '../domain/payload.ts'
import type { Exit } from '../domain/payload.ts'
import type { PayloadPaths } from '../files/payload-files.ts'
import { readIfThere } from '../files/read.ts'
import { isSandboxed } from './isolation/inside.ts'
import { readSandbox } from './isolation/record.ts'
import type { ProcessIdentity } from './processes.ts'

/** The supervising shell, by its start record; `undefined` if there is none. */
export function readStart(file: string): ProcessIdentity | undefined {
  const match = /^(\d+) (\d+) (\S+)\n$/.exec(readIfThere(file) ?? '')
  if (!match) return undefined
  return { pid: Number(match[1]), startTime: Number(match[2]), bootId: match[3] ?? '' }
}

/**
 * Takes the place of the start record, so that no supervising shell can write its own.
 *
 * @returns `false` if there is one already.
 */
export function takeStart(file: string): boolean {
  try {
    closeSync(openSync(file, 'wx'))
    return true
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false
    throw error
  }
}

/** What is known of an end; without `bytesWritten` where the script was not started. */
export type EndRecord = Omit<Exit, 'killReason'> & { readonly bytesWritten?: number | null }

type ExitRecord = {
  readonly exitCode: number
  readonly cpuSeconds: number
  readonly bytesWritten: number | null
  /** It could not be put into its cgroups, and was not started. */
  readonly isUnbounded: boolean
}

/** The process id of a script that runs, from the exit record; `undefined` if it is not there. */
export function readScript(file: string): number | undefined {
  const match = /^script (\d+)\n/.exec(readIfThere(file) ?? '')
  return match ? Number(match[1]) : undefined
}

/**
 * How a script ended and what it used; `undefined` while the record is not whole.
 *
 * Until then the script's process id stands there, and blanks, of which some stay. The shell's `times`
 * prints two lines, its own user and system time and its children's, as `0m1.234s`; the last line is
 * `exit CODE`. Before them stands `written BYTES`, or nothing in its place where that is not known.
 * At the very end stands `unbounded`, or nothing.
 */
export function readExit(file: string): ExitRecord | undefined {
  const text = readIfThere(file) ?? ''
  const match = /(?:^written (\d*)\n[^]*)?^(\S+) (\S+)\nexit (\d+)\n/m.exec(text)
  if (!match) return undefined
  return {
    exitCode: Number(match[4]),
    bytesWritten: match[1] ? Number(match[1]) : null,
    cpuSeconds: Math.round(1000 * (toSeconds(match[2] ?? '') + toSeconds(match[3] ?? ''))) / 1000,
    isUnbounded: text.endsWith('unbounded\n'),
  }
}

/**
 * How a payload's script ended, as its exit record says it; `undefined` while that is not whole.
 *
 * What bubblewrap ends with is the script's exit code, if it came so far, which it tells.
 */
export function readEnd({ exit, sandbox }: PayloadPaths): EndRecord | undefined {
  const found = readExit(exit)
  if (!found) return undefined
  const { isUnbounded, ...record } = found
  if (isUnbounded) return { exitCode: null, cpuSeconds: null, trouble: noBounds }
  if (!isSandboxed(sandbox)) return record
  const isStarted = readSandbox(sandbox)?.exitCode !== undefined || signalOf(record.exitCode)
  return isStarted ? record : { exitCode: null, cpuSeconds: null, trouble: noSandbox }
}

const noBounds = 'it could not be put into its cgroups'
const noSandbox = 'its sandbox (bubblewrap) could not be made'

function toSeconds(text: string): number {
  const match = /^(\d+)m([\d.,]+)s$/.exec(text)
  return match ? Number(match[1]) * 60 + Number(match[2]?.replace(',', '.')) : 0
}
