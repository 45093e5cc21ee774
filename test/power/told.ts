/** What applications and servers were told, and whether it is still true afterwards. */
import { isDeepStrictEqual } from 'node:util'
import type { JobDetails } from '../../src/domain/protocol.ts'
import type { LogLine } from '../harness/program.ts'

export class Told {
  /** What was told and is not true any more, in words. */
  readonly untrue: string[] = []
  /** So often was it compared. */
  looks = 0
  readonly #seen = new Map<number, JobDetails>()

  /** An application looks at a job: all that it was told before still holds. */
  see(job: JobDetails): void {
    this.looks++
    const before = this.#seen.get(job.id)
    this.#seen.set(job.id, job)
    if (!before) return
    const say = (what: string) => this.untrue.push(`job ${job.id}: ${what}`)
    if (!isDeepStrictEqual(job.history.slice(0, before.history.length), before.history)) {
      say(`its history was ${walk(before)}, and is ${walk(job)}`)
    }
    if (before.terminateRequestedAt !== null && job.terminateRequestedAt === null) {
      say('it was to be terminated, and is not any more')
    }
    for (const [index, attempt] of before.attempts.entries()) {
      const now = job.attempts[index]
      for (const name of ['number', 'client', 'payload', 'endedAt', 'outcome'] as const) {
        if (attempt[name] === null || attempt[name] === now?.[name]) continue
        say(`${name} of attempt ${attempt.number} was ${attempt[name]}, and is ${now?.[name]}`)
      }
    }
  }

  /** A server logs a step when it is committed: it is in the history. */
  hearServer(lines: readonly LogLine[], jobs: ReadonlyMap<number, JobDetails>): void {
    for (const { job: id, from, to, attempt, reason, msg } of lines) {
      if (typeof id !== 'number' || typeof to !== 'string') continue
      this.looks++
      const isThere = jobs
        .get(id)
        ?.history.some(
          (entry) =>
            entry.from === from &&
            entry.to === to &&
            entry.attempt === attempt &&
            entry.reason === reason,
        )
      if (!isThere) this.untrue.push(`the server said "${msg}", and its history has no such step`)
    }
  }

  /**
   * An end that a client tells is how that attempt ended, but where the power was cut before its
   * server had the result: a small one is not durable at once.
   */
  hearClient(lines: readonly LogLine[], jobs: ReadonlyMap<number, JobDetails>): void {
    for (const { job: id, attempt, status, msg } of lines) {
      if (typeof id !== 'number' || !['Completed', 'Failed', 'Killed'].includes(String(status))) {
        continue
      }
      this.looks++
      const last = jobs.get(id)?.history.findLast((entry) => entry.attempt === attempt)
      // A script that failed may be run again.
      const isTrue =
        last?.to === status ||
        (status === 'Failed' && / \(run \d+ of /.test(last?.reason ?? '')) ||
        /machine was restarted/.test(last?.reason ?? '')
      if (!isTrue) this.untrue.push(`a client said "${msg}", and it was: ${last?.reason}`)
    }
  }
}

function walk({ history }: JobDetails): string {
  return history.map(({ to, attempt, at }) => `${to} (${attempt}, ${at})`).join(', ')
}
