/**
 * The one error type of the program.
 *
 * A `Fault` is something we foresaw: its message is written for the person who reads the answer.
 * Every other error is unforeseen: the user is told `internal`, the log is told everything.
 */

/** What kind of trouble it is; `http/status.ts` gives each kind its HTTP status. */
export type FaultCode =
  | 'invalid' // the request is wrong; sending it again changes nothing
  | 'unauthenticated' // nobody knows who asks
  | 'forbidden' // it is known who asks, and that is not enough
  | 'not_found'
  | 'conflict' // right in itself, but not now or not for this one
  | 'under_way' // another request is doing just this now: ask again when it has ended
  | 'mismatch' // not the same as came before under the same key
  | 'gone' // it was here, and never will be again
  | 'too_large'
  | 'long_url'
  | 'large_head'
  | 'timed_out' // who asks does not go on
  | 'too_many' // of this user's: when some have ended, it may go
  | 'unsupported' // not the kind of body that was asked for
  | 'busy' // not now: try again later
  | 'no_space'
  | 'broken_disk' // reading or writing failed, and not for want of space
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

/** Errors of the file system that mean that the disk does not do its work. */
const brokenDisk: Readonly<Record<string, string>> = {
  EIO: 'the disk has failed: it answers with an I/O error (EIO)',
  EROFS: 'the disk is read-only (EROFS)',
}

/** The system's code of an error (`ENOENT`, ...), if it has one. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined
}

/** The same error, or a `no_space` or `broken_disk` fault where the system says that it is one. */
export function asFault(error: unknown): unknown {
  const code = systemCode(error)
  const broken = code === undefined ? undefined : brokenDisk[code]
  if (broken !== undefined) return new Fault('broken_disk', broken, { cause: error })
  if ((code !== undefined && fullDisk.has(code)) || isFullDatabase(error)) {
    return new Fault('no_space', 'there is no space left on the disk', { cause: error })
  }
  return error
}

/** SQLITE_FULL, and SQLITE_IOERR_SHMSIZE: the index of the journal could not grow. */
const fullDatabase = new Set([13, 4874])

/** Whether a statement failed because the disk of the database is full. */
export function isFullDatabase(error: unknown): boolean {
  return fullDatabase.has(sqliteCode(error) ?? 0)
}

/** Whether a statement failed because another process is writing (SQLITE_BUSY, of any kind). */
export function isHeld(error: unknown): boolean {
  return ((sqliteCode(error) ?? 0) & 0xff) === 5
}

/** The extended result code of SQLite (https://www.sqlite.org/rescode.html), if it is its error. */
export function sqliteCode(error: unknown): number | undefined {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'
    ? error.errcode
    : undefined
}

/** Whether an error tells of the disk, so that the same may succeed on a disk that is well. */
export function isOfDisk(error: unknown): error is Fault {
  return error instanceof Fault && (error.code === 'no_space' || error.code === 'broken_disk')
}

/** What to tell of any error in a log line or a job's history. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Whether something was broken off by its signal. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}
