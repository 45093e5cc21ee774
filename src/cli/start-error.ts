import { Fault, messageOf, systemCode } from '../domain/errors.ts'
import { StoreError } from '../store/sqlite/database.ts'

/** The program cannot start, for a reason that the operator can mend; one clear line. */
export class StartError extends Error {
  override readonly name = 'StartError'
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use; give another --port',
  EADDRNOTAVAIL: 'this machine has no such address; give another --host',
  EACCES: 'it is not permitted',
  EPERM: 'it is not permitted',
  EROFS: 'the disk is read-only',
  ENOSPC: 'the disk is full',
  ENOENT: 'there is no such directory',
  ENOTDIR: 'a part of the path is not a directory',
  EEXIST: 'there is a file where a directory should be',
  ENOTFOUND: 'there is no such host; give another --host',
  EAI_AGAIN: 'the host name cannot be looked up; give another --host',
}

/** What went wrong at the start, as a `StartError` where that can be said in a line. */
function asStartError(what: string, error: unknown): unknown {
  if (error instanceof StoreError) return new StartError(error.message, { cause: error })
  const code = systemCode(error)
  if (code === undefined && !(error instanceof Fault)) return error
  if (error instanceof Fault) return new StartError(error.message, { cause: error })
  const reason = (code !== undefined && reasons[code]) || messageOf(error)
  return new StartError(`${what}: ${reason}`, { cause: error })
}

/** Runs a step of the start; a fault of the system in it becomes a `StartError`. */
export async function starting<T>(what: string, step: () => T | Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (error) {
    throw asStartError(what, error)
  }
}
