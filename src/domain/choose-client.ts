/** Which client of a service gets the next job. */

/** What is known of a client when a job is to be sent. */
export type Candidate = {
  /** It may be sent a job now. */
  readonly healthy: boolean
  /** Something sent to it has waited for long: it is asked last. */
  readonly slow: boolean
  /** Sendings to it that wait for its answer, or for it to take more. */
  readonly waiting: number
  /** Payloads it runs at once; `null`: no limit. */
  readonly slots: number | null
  /** Payloads it has that have not ended. */
  readonly active: number
  /** Its CPU use in percent, 0 to 100. */
  readonly load: number
  /** Number of its last job among all that were given away; 0 before the first. */
  readonly lastGiven: number
}

/** A client under full load still gets some: this share of what an idle one gets. */
const leastIdleShare = 0.1

/** An answer takes milliseconds: who owes so many is busy enough, or hangs. */
const mostWaitingEver = 4

/**
 * How many sendings to one client may wait at the same time. A client that hangs holds on to these
 * jobs, and they count as active: it is never to have more than its share of them.
 *
 * @param maxRuns jobs of the service that may be active.
 * @param clients clients of the service.
 */
export function mostWaiting(maxRuns: number, clients: number): number {
  return Math.min(mostWaitingEver, Math.ceil(maxRuns / clients))
}

/**
 * A healthy client with a free slot that fewer than `limit` sendings wait for: of those one that is
 * not slow, then the one that would have the fewest payloads for what of it is idle, then the one
 * that got none for the longest time.
 *
 * That is weighted least connections: an idle client has twice the payloads of one whose CPUs are
 * half busy, whatever makes them so. Payloads count at once, load only some seconds later, so
 * neither would do alone.
 */
export function chooseClient<C extends Candidate>(
  candidates: Iterable<C>,
  limit: number,
): C | undefined {
  let best: C | undefined
  for (const candidate of candidates) {
    if (!candidate.healthy || candidate.waiting >= limit) continue
    if (candidate.slots !== null && candidate.active >= candidate.slots) continue
    if (best === undefined || compare(candidate, best) < 0) best = candidate
  }
  return best
}

function compare(a: Candidate, b: Candidate): number {
  return Number(a.slow) - Number(b.slow) || crowding(a) - crowding(b) || a.lastGiven - b.lastGiven
}

/** Payloads for what is idle, if it got one more. Load counts in steps of 10 %: it is never still. */
function crowding({ active, load }: Candidate): number {
  const idleShare = 1 - Math.round(load / 10) / 10
  return (active + 1) / Math.max(leastIdleShare, idleShare)
}
