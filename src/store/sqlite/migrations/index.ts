import { jobsAndHistory } from './0001-jobs-and-history.ts'
import { ages } from './0002-ages.ts'
import { flatJobs } from './0003-flat-jobs.ts'
import { promises } from './0004-promises.ts'
import { openAttempts } from './0005-open-attempts.ts'
import { fewerCounts } from './0006-fewer-counts.ts'
import { tokens } from './0007-tokens.ts'
import { limits } from './0008-limits.ts'
import { cheapTriggers } from './0009-cheap-triggers.ts'
import { waitingRetries } from './0010-waiting-retries.ts'

/**
 * The steps from an empty database to the newest version, in order. A step that was released is
 * never edited: what changes comes as a further one.
 */
export const migrations: readonly string[] = [
  jobsAndHistory,
  ages,
  flatJobs,
  promises,
  openAttempts,
  fewerCounts,
  tokens,
  limits,
  cheapTriggers,
  waitingRetries,
]
