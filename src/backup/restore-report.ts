/** What a restore has done, told at the end. */
import { sayBytes, sayCount } from '../domain/count.ts'
import type { Copied } from '../files/job-copy.ts'
import type { RestorePlan } from './restore-plan.ts'
import { sayTable, sayTroubles } from './say.ts'

export type Restored = {
  readonly plan: RestorePlan
  readonly copied: Copied
  readonly lastChangeAtMs: number | null
  readonly highestId: number
  /** Where the database is that was there; `undefined`: there was none. */
  readonly asideDatabase: string | undefined
  readonly asideDirectory: string | undefined
  /** So many ids are never given: those that were given after the backup are not known. */
  readonly leftOutIds: number
  /** Whether tokens are as the server had them, and not as they were at the time of the backup. */
  readonly areTokensKnown: boolean
}

/** Everything, in lines. */
export function restoreLines(what: Restored): string[] {
  const { plan, copied } = what
  const { lost, asideJobs, asideEntries } = plan
  const failed = lost.filter(({ isFinal }) => !isFinal).length
  const rows: [string, string][] = [
    ['last change', when(what.lastChangeAtMs)],
    ['jobs whose files were there', String(plan.inPlace)],
    ['jobs whose files came from the backup', `${plan.broughtBack}, ${sayBytes(copied.bytes)}`],
    ['jobs without files, now Failed', String(failed)],
    ['jobs without files, now Cleaned', String(lost.length - failed)],
    ['set aside, directories of jobs', String(asideJobs.length)],
    ['set aside, other results', String(asideEntries.length)],
    ['set aside, database', what.asideDatabase ?? 'none'],
    ['next id', String(what.highestId + 1)],
    ['ids left out, for some may be taken', String(what.leftOutIds)],
    ['tokens', what.areTokensKnown ? 'as they were last' : 'as in the backup: look at token list'],
  ]
  if (what.asideDirectory !== undefined) rows.push(['set aside in', what.asideDirectory])
  const troubles = lost
    .toSorted((a, b) => a.id - b.id)
    .map(({ id, status, reason }) => `job ${id} was ${status}: ${reason}`)
  const title = `${sayCount(lost.length, 'job')} could not be brought back whole:`
  return [...sayTable(rows), ...sayTroubles(title, troubles)]
}

function when(atMs: number | null): string {
  return atMs === null ? 'none' : new Date(atMs).toISOString()
}
