/** Which client of a service gets the next job. */

/** What is known of a client when a job is to be sent. */
export type Candidate = {
  readonly healthy: boolean
  /** Payloads it runs at once; `null`: no limit. */
  readonly slots: number | null
  /** Payloads it has that have not ended. */
  readonly active: number
  /** Its CPU use in percent, 0 to 100. */
  readonly load: number
}

/**
 * A healthy client with a free slot: of those the one with the fewest active payloads, then the
 * least loaded, then the first in the configuration.
 */
export function chooseClient<C extends Candidate>(candidates: Iterable<C>): C | undefined {
  let best: C | undefined
  for (const candidate of candidates) {
    if (!candidate.healthy) continue
    if (candidate.slots !== null && candidate.active >= candidate.slots) continue
    if (best === undefined || compare(candidate, best) < 0) best = candidate
  }
  return best
}

function compare(a: Candidate, b: Candidate): number {
  return a.active - b.active || a.load - b.load
}
