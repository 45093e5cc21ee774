/**
 * Opens what a stranger's script has left, and makes sure that it is what was found. No link is
 * followed: a last one by the system, one on the way by where the system says that the opened file is.
 * Nothing is waited for, as one would be for the other end of a FIFO.
 */
import { closeSync, constants, existsSync, openSync, readlinkSync } from 'node:fs'
import { systemCode } from '../domain/errors.ts'

export type Opened = Disposable & {
  readonly descriptor: number
  /** Where it is, with no link on the way. */
  readonly path: string
  /** It is known to be there: where there is no /proc that cannot be. */
  readonly isProven: boolean
}

const changed = 'changed while it was packed'

/**
 * @param path for a directory or a file that was found: with no link on the way.
 * @param kind `top`: where a directory is, is found out; `own`: a file of ours.
 * @returns why it is to be left out, if it is not what was found.
 * @throws other errors of the system.
 */
export function openSure(
  path: string,
  kind: 'top' | 'own' | 'directory' | 'file' = 'top',
): Opened | string {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_DIRECTORY } = constants
  const flags =
    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | (kind === 'file' || kind === 'own' ? 0 : O_DIRECTORY)
  let descriptor: number
  try {
    descriptor = openSync(path, flags)
  } catch (error) {
    return whyNot(error)
  }
  const place = placeOf(descriptor)
  const isFound = kind === 'directory' || kind === 'file'
  if (isFound && place !== undefined && place !== path) {
    closeSync(descriptor)
    return changed
  }
  return {
    descriptor,
    path: place ?? path,
    isProven: place !== undefined,
    [Symbol.dispose]: () => closeSync(descriptor),
  }
}

/** `undefined` where there is no /proc. */
function placeOf(descriptor: number): string | undefined {
  const link = `/proc/self/fd/${descriptor}`
  try {
    return readlinkSync(link)
  } catch (error) {
    if (systemCode(error) === 'ENOENT' && !existsSync('/proc/self/fd')) return undefined
    throw error
  }
}

/**
 * Why something is left out that cannot be opened.
 *
 * @throws the error, if it is none of what scripts leave.
 */
export function whyNot(error: unknown): string {
  switch (systemCode(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'vanished while it was packed'
    case 'ELOOP':
      return changed
    case 'EACCES':
    case 'EPERM':
    case 'EAGAIN': // somebody has a lease on it
    case 'ENXIO':
    case 'ENAMETOOLONG':
      return `cannot be read (${systemCode(error)})`
    default:
      throw error
  }
}
