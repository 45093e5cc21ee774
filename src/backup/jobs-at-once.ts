import type { KeptJob } from '../store/sqlite/kept-jobs.ts'

/** So many jobs' files are at work at once: their flushes share the disk's work. */
const mostAtOnce = 8

/**
 * Does something with every job, some at a time.
 *
 * @param signal begins no further one.
 * @throws the first fault, when what was under way has ended.
 */
export async function jobsAtOnce(
  jobs: Iterable<KeptJob>,
  signal: AbortSignal,
  act: (job: KeptJob) => Promise<void>,
): Promise<void> {
  const left = jobs[Symbol.iterator]()
  let isBroken = false
  const work = async () => {
    while (!isBroken && !signal.aborted) {
      const next = left.next()
      if (next.done) return
      try {
        await act(next.value)
      } catch (error) {
        isBroken = true
        throw error
      }
    }
  }
  const outcomes = await Promise.allSettled(Array.from({ length: mostAtOnce }, work))
  const failed = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failed) throw failed.reason
}
