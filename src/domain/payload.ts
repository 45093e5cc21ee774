/**
 * A payload as a client knows it: its statuses, what each may become, and what is remembered of it.
 */
import type { Ending, Result } from './job.ts'
import { isLimitReason } from './limits.ts'
import type { Limits } from './limits.ts'
import { isTimeLimitReason } from './max-runtime.ts'
import type { MaxRuntime } from './max-runtime.ts'
import { endedByLimit, metLimits } from './usage.ts'
import type { Usage } from './usage.ts'

/** The statuses of a payload. It is `Running` until its result is packed and ready. */
export const payloadStatuses = [
  'Prepared',
  'Running',
  'Completed',
  'Failed',
  'Invalid',
  'Killed',
] as const

export type PayloadStatus = (typeof payloadStatuses)[number]

const nextStatuses: Record<PayloadStatus, readonly PayloadStatus[]> = {
  Prepared: ['Running', 'Failed', 'Killed'],
  Running: ['Completed', 'Failed', 'Invalid', 'Killed'],
  Completed: [],
  Failed: [],
  Invalid: [],
  Killed: [],
}

export function payloadMayBecome(from: PayloadStatus, to: PayloadStatus): boolean {
  return nextStatuses[from].includes(to)
}

export function payloadEnded(status: PayloadStatus): status is Ending {
  return status !== 'Prepared' && status !== 'Running'
}

/** What the server says of the job that a payload belongs to; a 2.2.3 server says nothing. */
export type PayloadOrigin = {
  /** The attempt's key; see `protocol.ts`. */
  readonly key: string
  readonly jobId: number
  readonly userId: string
  readonly service: string
  readonly attempt: number
  /** What run.sh may use; absent: no limits but the client's own. */
  readonly limits?: Limits
} & Partial<MaxRuntime> // absent: no limit

/** The server's id, with which each of its keys begins. */
export function serverOf(key: string): string {
  return key.slice(0, key.indexOf('-'))
}

/** Times are milliseconds since 1970, `null` where it has not happened. */
export type Payload = {
  readonly id: number
  readonly origin: PayloadOrigin | null
  readonly status: PayloadStatus
  readonly message: string
  readonly receivedAtMs: number
  readonly startedAtMs: number | null
  readonly endedAtMs: number | null
  /** Process id of the supervising shell; 0 before the start. */
  readonly pid: number
  /** Why it is to be ended; the first reason wins. */
  readonly killReason: string | null
  readonly result: Result | null
}

/** How run.sh ended, as the executor saw it. */
export type Exit = {
  /** `null` when it never started. Above 128: ended by signal `exitCode - 128`. */
  readonly exitCode: number | null
  /** Why it was ended, if the kill reached it while it ran. */
  readonly killReason: string | null
  /** User and system time of the script and of all that it waited for; `null` if not known. */
  readonly cpuSeconds: number | null
  /** Why it never started, where that is no fault of its own. */
  readonly trouble?: string
  /** `undefined` when it never started. */
  readonly usage?: Usage
}

/** Names of the signals that end a process, by number (Linux; signal(7)). */
const signalNames: Readonly<Record<number, string>> = {
  1: 'SIGHUP',
  2: 'SIGINT',
  3: 'SIGQUIT',
  4: 'SIGILL',
  6: 'SIGABRT',
  7: 'SIGBUS',
  8: 'SIGFPE',
  9: 'SIGKILL',
  11: 'SIGSEGV',
  13: 'SIGPIPE',
  14: 'SIGALRM',
  15: 'SIGTERM',
  24: 'SIGXCPU',
  25: 'SIGXFSZ',
  31: 'SIGSYS',
}

/** The signal that an exit code of bash stands for, if it does. */
export function signalOf(exitCode: number): string | undefined {
  return exitCode > 128 ? signalNames[exitCode - 128] : undefined
}

/** The signals with which we end scripts, as exit codes of bash. */
const ourSignals: ReadonlySet<number | null> = new Set([128 + 15, 128 + 9])

/**
 * The final status of a payload, and why, in words for the user.
 *
 * @param askedBefore why it was to be ended before this process took it up: an earlier one may have
 *   reached it, and cannot say so any more, but by the signal.
 */
export function judge(
  exit: Exit,
  askedBefore: string | null = null,
): { status: 'Completed' | 'Failed' | 'Killed'; message: string } {
  const { exitCode } = exit
  const killReason = exit.killReason ?? (ourSignals.has(exitCode) ? askedBefore : null)
  if (killReason !== null && (isTimeLimitReason(killReason) || isLimitReason(killReason))) {
    return { status: 'Failed', message: `run.sh was ended by its ${killReason}` }
  }
  if (killReason !== null) return { status: 'Killed', message: killReason }
  const { usage } = exit
  const limit = usage && endedByLimit(exitCode, usage)
  if (limit !== undefined) {
    return { status: 'Failed', message: `run.sh was ended by its ${limit}` }
  }
  if (exitCode === 0) return { status: 'Completed', message: '' }
  if (exitCode === null) {
    const why = exit.trouble === undefined ? '' : `: ${exit.trouble}`
    return { status: 'Failed', message: `run.sh could not be started${why}` }
  }
  const signal = signalOf(exitCode)
  const how = signal
    ? `was ended by ${signal} (exit code ${exitCode})`
    : `ended with exit code ${exitCode}`
  return { status: 'Failed', message: `run.sh ${how}${usage ? metLimits(usage) : ''}` }
}
