/** What an import has done, counted as it goes, and told at the end. */
import { sayBytes, sayCount } from '../domain/count.ts'
import type { OldJob } from '../store/sqlite/old-jobs.ts'
import type { Brought } from './bring-over.ts'
import { fateOf } from './fate.ts'

const order = ['Completed', 'Failed', 'Invalid', 'Killed', 'Queued', 'Cleaned'] as const

/** So many troubles are named; of the others there is a count. */
const mostNamed = 20

export class Report {
  readonly #maxAgeMs: number
  readonly #counts = new Map<string, number>()
  readonly #queuedServices = new Set<string>()
  readonly #troubles: string[] = []
  #troubleCount = 0
  #resultBytes = 0
  #tooOld = 0
  #thereCount = 0
  #queuedThere = 0
  #underWay = 0
  #seen = 0

  /** @param maxAgeMs MAX_AGE of the server that is to be. */
  constructor(maxAgeMs: number) {
    this.#maxAgeMs = maxAgeMs
  }

  /** A job that is here now. */
  brought({ job, trouble }: Brought): void {
    this.#seen++
    this.#counts.set(job.status, (this.#counts.get(job.status) ?? 0) + 1)
    this.#resultBytes += job.result?.sizeBytes ?? 0
    if (job.status === 'Queued') this.#queuedServices.add(job.service)
    const { finalAtMs } = job
    if (job.status !== 'Cleaned' && finalAtMs !== null && finalAtMs + this.#maxAgeMs < Date.now()) {
      this.#tooOld++
    }
    if (trouble !== undefined) this.#trouble(`job ${job.id} is ${job.status}: ${trouble}`)
  }

  /** A job that an earlier import brought. */
  there(old: OldJob, status: string): void {
    this.#seen++
    this.#thereCount++
    if (fateOf(old.status).is === 'completed' && status === 'Failed') {
      this.#trouble(
        `job ${old.id} was imported before as Failed, and stays so; in 2.2.3 it is completed`,
      )
    }
  }

  /** A row that cannot be a job here. */
  skipped(old: OldJob, why: string): void {
    this.#seen++
    this.#trouble(`job ${old.id} was left out: ${why}`)
  }

  /** A job that 2.2.3 may still change. */
  waits(old: OldJob): void {
    this.#seen++
    if (fateOf(old.status).is === 'queued') this.#queuedThere++
    else this.#underWay++
  }

  #trouble(line: string): void {
    this.#troubleCount++
    if (this.#troubles.length < mostNamed) this.#troubles.push(line)
  }

  /** How far it is, in a few words. */
  progress(count: number): string {
    return `${this.#seen} of ${count} jobs, ${sayBytes(this.#resultBytes)} of results`
  }

  /** Everything, in lines. */
  lines(isDry: boolean): string[] {
    const counts = order.flatMap((status) => {
      const count = this.#counts.get(status)
      return count === undefined ? [] : [`  ${status.padEnd(9)} ${count}${this.#note(status)}`]
    })
    const total = [...this.#counts.values()].reduce((sum, count) => sum + count, 0)
    const lines = [`${isDry ? 'would import' : 'imported'} ${sayCount(total, 'job')}`, ...counts]
    if (this.#thereCount > 0)
      lines.push(`${sayCount(this.#thereCount, 'job')} had been imported before`)
    if (this.#queuedThere + this.#underWay > 0) {
      lines.push(
        `${sayCount(this.#queuedThere + this.#underWay, 'job')} not imported: 2.2.3 runs, and has ` +
          `${this.#queuedThere} queued and ${this.#underWay} under way; stop it and import again`,
      )
    }
    if (this.#tooOld > 0) {
      lines.push(
        `${sayCount(this.#tooOld, 'job')} ended longer ago than MAX_AGE: a server with this MAX_AGE removes ` +
          'their files soon after its start',
      )
    }
    if (this.#troubleCount > 0) {
      lines.push(`${sayCount(this.#troubleCount, 'job')} not as in 2.2.3:`)
      lines.push(...this.#troubles.map((line) => `  ${line}`))
      const more = this.#troubleCount - this.#troubles.length
      if (more > 0) lines.push(`  ... and ${more} more; GET /jobs/ID tells of each`)
    }
    return lines
  }

  #note(status: string): string {
    if (status === 'Completed') return `, ${sayBytes(this.#resultBytes)} of results`
    if (status !== 'Queued') return ''
    return `, run by a server that has the service ${[...this.#queuedServices].toSorted().join(', ')}`
  }
}
