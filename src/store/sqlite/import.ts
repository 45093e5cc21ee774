/** Writes jobs of job-orchestrator 2.2.3 into our database, as far along as they were there. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Ending, JobStatus, Result } from '../../domain/job.ts'
import { openDatabase } from './database.ts'
import { highestIdOf, reserveIdsUpTo } from './id-sequence.ts'
import { text } from './rows.ts'

/** Stands where a client's address would: nobody ever calls it, for only active jobs are asked for. */
const nobody = 'imported from 2.2.3'
/** By this its first line of history tells an imported job. */
const beginning = 'uploaded to job-orchestrator 2.2.3'

/** What becomes of a job. Times are milliseconds since 1970. */
export type ImportedJob = {
  readonly id: number
  readonly userId: string
  readonly service: string
  readonly createdAtMs: number
  readonly status: 'Queued' | Ending | 'Cleaned'
  readonly message: string
  /** `null` for a queued one. */
  readonly finalAtMs: number | null
  readonly result: Result | null
  /** Its status in 2.2.3. */
  readonly oldStatus: string
  /** Its id at the client that 2.2.3 sent it to, if it did. */
  readonly payloadId: number | null
}

type Like = {
  readonly id: number
  readonly userId: string | null
  readonly service: string | null
  readonly createdAtMs: number | null
}

/** What has the id of a job that is to come. */
type Holder = {
  readonly status: string
  /** It is this very job, brought over before. */
  readonly isSame: boolean
}

const statements = {
  server: 'select server_id from server',
  holder: `select user_id, service, status, created_at_ms, (
      select reason from history where job_id = jobs.id order by id limit 1
    ) as beginning
    from jobs where id = ?`,
  // 2.2.3 knows no directories.
  insertJob: `insert into jobs (id, user_id, service, status, is_flat, created_at_ms, changed_at_ms)
    values (:id, :userId, :service, 'Queued', 1, :createdAtMs, :nowMs)`,
  insertAttempt: `insert into attempts (job_id, number, key, upload_url, download_url,
      terminate_url, payload_id, claimed_at_ms, ended_at_ms, outcome)
    values (:id, 1, :key, :nobody, :nobody, :nobody, :payloadId, :createdAtMs, :endedAtMs, :outcome)`,
  step: `update jobs set status = :to, attempt = :attempt where id = :id`,
  end: `update jobs set status = :to, attempt = :attempt, message = :message,
      final_at_ms = :finalAtMs, result_size_bytes = :sizeBytes, result_sha256 = :sha256
    where id = :id`,
  insertHistory: `insert into history (job_id, at_ms, from_status, to_status, attempt, reason)
    values (:id, :atMs, :from, :to, :attempt, :reason)`,
} as const

type Statements = Readonly<Record<keyof typeof statements, StatementSync>>

export class JobImport implements Disposable {
  readonly serverId: string
  readonly #database: DatabaseSync
  readonly #sql: Statements

  /**
   * @param database ours, of the newest version.
   */
  constructor(database: DatabaseSync) {
    this.#database = database
    const prepared = Object.entries(statements).map(([name, sql]) => [name, database.prepare(sql)])
    this.#sql = Object.fromEntries(prepared) as Statements
    this.serverId = text(this.#sql.server.get() ?? {}, 'server_id')
  }

  /**
   * Opens the database of a server, and makes it where it is not there.
   *
   * @throws StoreError if it cannot be used.
   */
  static open(path: string): JobImport {
    return new JobImport(openDatabase(path))
  }

  /** Whether there is anything yet in a database of ours. */
  static isMade(database: DatabaseSync): boolean {
    const table = "select 1 from sqlite_schema where type = 'table' and name = 'server'"
    return database.prepare(table).get() !== undefined
  }

  /** The highest id that was ever given; 0 without any. */
  get highestId(): number {
    return highestIdOf(this.#database)
  }

  /** What has the id of an old job already. */
  holder({ id, userId, service, createdAtMs }: Like): Holder | undefined {
    const row = this.#sql.holder.get(id)
    if (!row) return undefined
    const isSame =
      row['beginning'] === beginning &&
      row['user_id'] === userId &&
      row['service'] === service &&
      (createdAtMs === null || row['created_at_ms'] === createdAtMs)
    return { status: text(row, 'status'), isSame }
  }

  /** Writes all of these jobs or none, durably. Their files have to be durable before. */
  commit(jobs: readonly ImportedJob[], nowMs: number): void {
    this.#transaction(() => {
      for (const job of jobs) this.#write(job, nowMs)
    })
  }

  /** New jobs get ids above this one. */
  reserveUpTo(id: number): void {
    reserveIdsUpTo(this.#database, id)
  }

  [Symbol.dispose](): void {
    this.#database.close()
  }

  /** The rules of the tables hold for these jobs too, so they take the steps of any other. */
  #write(job: ImportedJob, nowMs: number): void {
    const { id, userId, service, createdAtMs, status, finalAtMs, result, oldStatus } = job
    this.#sql.insertJob.run({ id, userId, service, createdAtMs, nowMs })
    this.#tell(id, createdAtMs, null, 'Queued', 0, beginning)
    const attempt = wasSent(job) ? 1 : 0
    const outcome = `imported from 2.2.3, where it was ${oldStatus}`
    if (attempt === 1) {
      this.#sql.insertAttempt.run({
        id,
        nobody,
        key: `imported:${id}`,
        payloadId: job.payloadId,
        createdAtMs,
        endedAtMs: finalAtMs,
        outcome,
      })
    }
    for (const to of stepsTo(status, attempt)) this.#sql.step.run({ id, to, attempt })
    if (status !== 'Queued') {
      const ended = status === 'Cleaned' ? 'Failed' : status
      this.#sql.end.run({
        id,
        to: ended,
        attempt,
        message: job.message,
        finalAtMs,
        sizeBytes: result?.sizeBytes ?? null,
        sha256: result?.sha256 ?? null,
      })
      if (status === 'Cleaned') this.#sql.step.run({ id, to: status, attempt })
    }
    this.#tell(id, nowMs, 'Queued', status, attempt, outcome)
  }

  #tell(
    id: number,
    atMs: number,
    from: JobStatus | null,
    to: JobStatus,
    attempt: number,
    reason: string,
  ): void {
    this.#sql.insertHistory.run({ id, atMs, from, to, attempt, reason })
  }

  #transaction(body: () => void): void {
    this.#database.exec('begin immediate')
    try {
      body()
      this.#database.exec('commit')
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('rollback')
      throw error
    }
  }
}

/** Only what was at a client has an attempt, and two statuses cannot be had without. */
function wasSent({ status, payloadId }: ImportedJob): boolean {
  return (
    status === 'Completed' || status === 'Invalid' || (status !== 'Queued' && payloadId !== null)
  )
}

/** What lies between `Queued` and an end. */
function stepsTo(status: ImportedJob['status'], attempt: number): JobStatus[] {
  if (attempt === 0) return []
  return status === 'Completed' ? ['Processing', 'Submitted'] : ['Processing']
}
