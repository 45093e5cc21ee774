/**
 * Logs that are larger than they may be. A script appends to them, so what is too much can be cut
 * off while it writes: it notices nothing, and the disk is not filled. One byte more than is wanted
 * is left, by which it is known at the end that there was more.
 */
import { closeSync, constants, ftruncateSync, openSync, statSync, writeSync } from 'node:fs'
import { systemCode } from '../../domain/errors.ts'
import { sayExactBytes } from '../../domain/size.ts'

/**
 * Cuts a log that is too large.
 *
 * @returns `false` if it is held just now: its script can have a lease on it (fcntl(2)).
 */
export function cut(file: string, mostBytes: number): boolean {
  return sizeOf(file) <= mostBytes + 1 || truncated(file, mostBytes + 1)
}

/**
 * The same at the end, when nothing writes any more, with a notice.
 *
 * @returns whether there was more.
 */
export function cutForGood(file: string, mostBytes: number): boolean {
  if (sizeOf(file) <= mostBytes) return false
  const most = sayExactBytes(mostBytes)
  truncated(file, mostBytes, `\n[job-orchestrator: cut off here, at its output limit of ${most}]\n`)
  return true
}

/** Waits for nothing: truncate(2) would wait until a lease is given back. */
function truncated(file: string, bytes: number, notice = ''): boolean {
  const { O_WRONLY, O_NONBLOCK, O_NOFOLLOW } = constants
  let descriptor: number
  try {
    descriptor = openSync(file, O_WRONLY | O_NONBLOCK | O_NOFOLLOW)
  } catch (error) {
    if (systemCode(error) === 'EAGAIN') return false
    throw error
  }
  try {
    ftruncateSync(descriptor, bytes)
    if (notice !== '') writeSync(descriptor, notice, bytes)
  } finally {
    closeSync(descriptor)
  }
  return true
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}
