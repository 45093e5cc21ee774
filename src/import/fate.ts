/** What becomes of a job of job-orchestrator 2.2.3, by its status there. */
import type { Ending } from '../domain/job.ts'

export type Fate =
  | { readonly is: 'queued' }
  | { readonly is: 'completed' }
  | { readonly is: 'cleaned' }
  /** It had ended, and stays so. */
  | { readonly is: 'ended'; readonly status: Exclude<Ending, 'Completed'> }
  /** It was under way: its client may have a result, but not for us. */
  | { readonly is: 'cut off' }

const fates: Readonly<Record<string, Fate>> = {
  queued: { is: 'queued' },
  completed: { is: 'completed' },
  cleaned: { is: 'cleaned' },
  failed: { is: 'ended', status: 'Failed' },
  invalid: { is: 'ended', status: 'Invalid' },
  killed: { is: 'ended', status: 'Killed' },
}

/** @param status as 2.2.3 stores it: in lower case. */
export function fateOf(status: string): Fate {
  return fates[status] ?? { is: 'cut off' }
}

/** Whether 2.2.3, while it runs, may still change it. */
export function isUnderWay(status: string): boolean {
  const { is } = fateOf(status)
  return is === 'queued' || is === 'cut off'
}

export const keepsNoReason = 'imported from 2.2.3, which keeps no reason'

export function cutOff(status: string): string {
  return (
    `it was ${status} in 2.2.3 when it was imported, and its result was never fetched; ` +
    'send it again'
  )
}

export function resultLost(why: string): string {
  return `it was completed in 2.2.3, but its result could not be imported: output.zip: ${why}`
}

export function cannotRun(why: string): string {
  return `it was queued in 2.2.3 when it was imported, but cannot be run: ${why}; send it again`
}
