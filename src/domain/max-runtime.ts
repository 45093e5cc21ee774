/** How long run.sh may run: what its service allows, or what its upload asked for if that is less. */
import { sayExactDuration } from './duration.ts'

/** A limit, and whose it is. */
export type MaxRuntime = {
  readonly maxRuntimeMs: number
  readonly maxRuntimeOf: 'service' | 'upload'
}

/**
 * The smaller of both limits.
 *
 * @param uploadMs of the upload; `null`: it asked for none.
 * @param serviceMs of the service; `undefined`: it has none.
 * @returns `undefined` if there is none.
 */
export function maxRuntime(
  uploadMs: number | null,
  serviceMs: number | undefined,
): MaxRuntime | undefined {
  if (uploadMs !== null && (serviceMs === undefined || uploadMs < serviceMs)) {
    return { maxRuntimeMs: uploadMs, maxRuntimeOf: 'upload' }
  }
  return serviceMs === undefined ? undefined : { maxRuntimeMs: serviceMs, maxRuntimeOf: 'service' }
}

const prefix = 'time limit: '

/** Why a script is ended that ran for longer than it may. */
export function timeLimitReason({ maxRuntimeMs, maxRuntimeOf }: MaxRuntime): string {
  const whose =
    maxRuntimeOf === 'upload' ? 'the max_runtime of its upload' : 'the most that its service allows'
  return `${prefix}it ran for longer than ${sayExactDuration(maxRuntimeMs)}, ${whose}`
}

export function isTimeLimitReason(reason: string): boolean {
  return reason.startsWith(prefix)
}
