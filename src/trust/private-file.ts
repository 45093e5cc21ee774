/** Files that hold a secret. */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { Fault, messageOf, systemCode } from '../domain/errors.ts'

/** Neither a secret nor a certificate is longer. */
const mostBytes = 1024 * 1024

/** Permissions of those who are neither the owner nor of the group. */
const others = 0o007

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'this user may not read it',
  EISDIR: 'it is a directory',
}

/**
 * The text of a file that may be anybody's to read.
 *
 * @throws Fault `invalid`, with a message that names the file and nothing of what is in it.
 */
export function readPublic(file: string): string {
  return read(file, 0)
}

/** The same of a file that is nobody's to read but its owner's and its group's. */
export function readPrivate(file: string): string {
  return read(file, others)
}

function read(file: string, forbidden: number): string {
  let descriptor: number | undefined
  try {
    descriptor = openSync(file, 'r')
    const { mode, size } = fstatSync(descriptor)
    if ((mode & forbidden) !== 0) {
      throw new Fault('invalid', `other users may read or write ${file}: chmod o= ${file}`)
    }
    if (size > mostBytes) throw new Fault('invalid', `${file} is too large to be what it should be`)
    return readFileSync(descriptor, 'utf8')
  } catch (error) {
    if (error instanceof Fault) throw error
    const reason = reasons[systemCode(error) ?? ''] ?? messageOf(error)
    throw new Fault('invalid', `${file} cannot be read: ${reason}`, { cause: error })
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}
