import type { Exit } from '../../domain/payload.ts'
import type { Log } from '../../log.ts'
import type { EndRecord } from '../records.ts'
import type { PayloadBounds } from './payload-bounds.ts'

/**
 * Ends what is left of a script in its cgroups, and says what it used.
 *
 * @param record `undefined` if there is none.
 */
export async function finish(
  bounds: PayloadBounds,
  record: EndRecord | undefined,
  log: Log,
): Promise<Omit<Exit, 'killReason'> | undefined> {
  const { cpuMs, ...used } = bounds.usage(record?.bytesWritten ?? null)
  if (!(await bounds.end())) log.warn('a script left processes in its cgroups that cannot be ended')
  const outputBytes = bounds.cutOutput()
  if (!record) return undefined
  const { bytesWritten, ...exit } = record
  if (bytesWritten === undefined) return exit // it was not started
  const usage = { ...used, hits: { ...used.hits, outputBytes } }
  // What nobody waited for is counted by cgroups alone.
  const cpuSeconds = Math.max(exit.cpuSeconds ?? 0, Math.round(cpuMs ?? 0) / 1000)
  return { ...exit, cpuSeconds, usage }
}
