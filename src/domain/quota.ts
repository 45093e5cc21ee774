/**
 * Who is next. Within a service users take turns: the one with the fewest active jobs, then the one
 * whose last start is longest ago, then the one who came first. Both limits hold at every moment.
 */

/** How many jobs may be active at once. */
export type Quota = {
  /** of one user in a service */
  readonly runsPerUser: number
  /** of the service */
  readonly maxRuns: number
}

/** A user who waits in a service. */
export type Turn = {
  readonly userId: string
  /** Active jobs of this user in this service. */
  readonly active: number
  /** Number of this user's last start among the service's starts; 0 if there was none. */
  readonly lastStart: number
  /** Id of the first job that this user ever sent to this service. */
  readonly firstJob: number
}

/** Sorts turns: negative if `a` is before `b`. The store's index has the same order. */
export function compareTurns(a: Turn, b: Turn): number {
  return a.active - b.active || a.lastStart - b.lastStart || a.firstJob - b.firstJob
}

/**
 * The user whose oldest queued job is to be sent now.
 *
 * @param waiting users with queued jobs. The first in the order of `compareTurns` decides, so a
 *   store may give just that one.
 * @param serviceActive active jobs of the service, of all users.
 * @returns `undefined` when nobody may start now.
 */
export function nextTurn(
  waiting: Iterable<Turn>,
  serviceActive: number,
  quota: Quota,
): Turn | undefined {
  if (serviceActive >= quota.maxRuns) return undefined
  let next: Turn | undefined
  for (const turn of waiting) {
    if (next === undefined || compareTurns(turn, next) < 0) next = turn
  }
  return next !== undefined && next.active < quota.runsPerUser ? next : undefined
}
