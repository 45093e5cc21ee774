/** What a backup has done, counted as it goes, and told at the end. */
import { sayBytes, sayCount } from '../domain/count.ts'
import { nothingCopied } from '../files/job-copy.ts'
import type { Copied } from '../files/job-copy.ts'
import { sayTable, sayTroubles } from './say.ts'

export class BackupReport {
  readonly copied: Copied = nothingCopied()
  readonly #troubles: string[] = []
  #seen = 0

  /** A job is done with. */
  seen(_id: number): void {
    this.#seen++
  }

  /** A job whose files are not as they should be. */
  trouble(id: number, why: string): void {
    this.#troubles.push(`job ${id}: ${why}`)
  }

  /** How far it is, in a few words. */
  progress(count: number): string {
    return `${this.#seen} of ${count} jobs, ${sayBytes(this.copied.bytes)} copied`
  }

  /** Everything, in lines. */
  lines(database: { readonly sizeBytes: number }, removedJobs: number | undefined): string[] {
    const { files, bytes, presentFiles } = this.copied
    const rows: [string, string][] = [['database', sayBytes(database.sizeBytes)]]
    if (removedJobs !== undefined) {
      rows.push(
        ['jobs with files', String(this.#seen)],
        ['files copied', `${files}, ${sayBytes(bytes)}`],
        ['files there before', String(presentFiles)],
        ['jobs that are gone', String(removedJobs)],
      )
    }
    const title = `${sayCount(this.#troubles.length, 'job')} could not be copied whole:`
    return [...sayTable(rows), ...sayTroubles(title, this.#troubles)]
  }
}
