/**
 * The one error type of the program.
 *
 * A `Fault` is something we foresaw: its message is written for the person who reads the answer.
 * Every other error is unforeseen: the user is told `internal`, the log is told everything.
 */

/** What kind of trouble it is; `http/status.ts` gives each kind its HTTP status. */
export type FaultCode =
  | 'invalid' // the request is wrong; sending it again changes nothing
  | 'not_found'
  | 'conflict' // right in itself, but not now or not for this one
  | 'under_way' // another request is doing just this now: ask again when it has ended
  | 'mismatch' // not the same as came before under the same key
  | 'gone' // it was here, and never will be again
  | 'too_large'
  | 'unsupported' // not the kind of body that was asked for
  | 'busy' // not now: try again later
  | 'no_space'
  | 'unreachable' // a peer did not answer

export class Fault extends Error {
  override readonly name = 'Fault'
  readonly code: FaultCode

  constructor(code: FaultCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Errors of the file system that mean that the disk, or the user's part of it, is full. */
const fullDisk = new Set(['ENOSPC', 'EDQUOT'])

/** The system's code of an error (`ENOENT`, ...), if it has one. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined
}

/** The same error, or a `no_space` fault where the system says that the disk is full. */
export function asFault(error: unknown): unknown {
  const code = systemCode(error)
  if ((code !== undefined && fullDisk.has(code)) || isFullDatabase(error)) {
    return new Fault('no_space', 'there is no space left on the disk', { cause: error })
  }
  return error
}

/** SQLITE_FULL (https://www.sqlite.org/rescode.html#full), the primary code in the low byte. */
function isFullDatabase(error: unknown): boolean {
  return (
    error instanceof Error &&
    'errcode' in error &&
    typeof error.errcode === 'number' &&
    (error.errcode & 0xff) === 13
  )
}

/** What to tell of any error in a log line or a job's history. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Whether something was broken off by its signal. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}
