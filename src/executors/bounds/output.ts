/**
 * Logs that are larger than they may be. A script appends to them, so what is too much can be cut
 * off while it writes: it notices nothing, and the disk is not filled. One byte more than is wanted
 * is left, by which it is known at the end that there was more.
 */
import { appendFileSync, statSync, truncateSync } from 'node:fs'
import { sayExactBytes } from '../../domain/size.ts'

/** Cuts a log that is too large. */
export function cut(file: string, mostBytes: number): void {
  if (sizeOf(file) > mostBytes + 1) truncateSync(file, mostBytes + 1)
}

/**
 * The same at the end, when nothing writes any more, with a notice.
 *
 * @returns whether there was more.
 */
export function cutForGood(file: string, mostBytes: number): boolean {
  if (sizeOf(file) <= mostBytes) return false
  truncateSync(file, mostBytes)
  const most = sayExactBytes(mostBytes)
  appendFileSync(file, `\n[job-orchestrator: cut off here, at its output limit of ${most}]\n`)
  return true
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}
