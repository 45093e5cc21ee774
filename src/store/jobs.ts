/**
 * What the server remembers: every job, its attempts and its history, across restarts.
 *
 * `jobs.suite.ts` says what every implementation must do.
 */
import type { Fact } from '../domain/decide.ts'
import type { Attempt, ClientAddress, HistoryEntry, Job, JobStatus } from '../domain/job.ts'
import type { LimitValues } from '../domain/limits.ts'
import type { Quota } from '../domain/quota.ts'

export type NewJob = {
  readonly id: number
  readonly userId: string
  readonly service: string
  readonly isFlat: boolean
  /** See `Job`; 1 unless said otherwise. */
  readonly scriptAttempts?: number
  /** See `Job`; none unless said otherwise. */
  readonly maxRuntimeMs?: number | null
  /** See `Job`; none unless said otherwise. */
  readonly limits?: LimitValues
}

/** Makes an upload one job, however often it comes. */
export type Idempotency = {
  /** As the user chose it; it is unique among the jobs of that user which are not `Cleaned`. */
  readonly key: string
  /** What came under it; see `fingerprintOf`. */
  readonly fingerprint: string
}

/** A job that came under an Idempotency-Key, and what came with it. */
export type KeyedJob = { readonly job: Job; readonly fingerprint: string }

/** What is to be done with the job whose turn it is. */
export type Choice =
  /**
   * It goes to this client, as an attempt under this key; with the instance that the client is known
   * as, if it has one.
   */
  | { readonly key: string; readonly client: ClientAddress; readonly instance?: string | null }
  /** It is passed over until then, and the next one's turn has come. */
  | { readonly passedOverUntilMs: number; readonly reason: string }
  /** Nobody can start now. */
  | undefined

/** A job together with an attempt of it, its current one unless something else is said. */
export type ActiveJob = { readonly job: Job; readonly attempt: Attempt }

/** One committed change of a job, as listeners get it; `from` is `null` for its beginning. */
export type JobChange = {
  readonly job: Job
  readonly from: JobStatus | null
  readonly reason: string
  /** Upload URL of the attempt's client; `null` before the first attempt. */
  readonly client: string | null
}

export type ServiceBacklog = {
  readonly queued: number
  readonly active: number
  /** When the oldest job that is still queued was sent; `null` without one. */
  readonly oldestQueuedAtMs: number | null
}

export interface JobStore extends AsyncDisposable {
  /** Names this database to clients; made once, 16 hexadecimal digits. */
  readonly serverId: string

  /** The highest id that was ever committed or reserved; 0 without any. */
  readonly highestId: number

  /** Resolves when the store answers. */
  check(): Promise<void>

  /** An id that no job has or had. It is lost if no job is inserted under it. */
  reserveId(): number

  /** Whether there are jobs that are not `Cleaned`, so that files of theirs should be somewhere. */
  needsFiles(): Promise<boolean>

  /**
   * Durable when it resolves.
   *
   * @param mostQueued so many jobs of its user may wait in its service, this one among them.
   * @throws Fault `too_many` if it would be one more.
   */
  insert(job: NewJob, nowMs: number, mostQueued?: number): Promise<Job>

  /**
   * The same, unless its user has a job under this key already: then that one, and nothing is
   * written, however many wait.
   */
  insertOnce(
    job: NewJob,
    idempotency: Idempotency,
    nowMs: number,
    mostQueued?: number,
  ): Promise<KeyedJob & { readonly isNew: boolean }>

  /** The job of a user that came under this Idempotency-Key, unless it is `Cleaned`. */
  findUpload(userId: string, idempotencyKey: string): Promise<KeyedJob | undefined>

  /** How many jobs of a user wait in a service, those that back off among them. */
  countQueued(service: string, userId: string): Promise<number>

  find(id: number): Promise<Job | undefined>

  /** A job with its current attempt; `undefined` if it has none, or is not there. */
  current(id: number): Promise<ActiveJob | undefined>
  attempts(id: number): Promise<Attempt[]>
  history(id: number): Promise<HistoryEntry[]>

  /** The job that this key was made for, with that attempt, which may not be its current one. */
  findByKey(key: string): Promise<ActiveJob | undefined>

  /** All active jobs, of one client if its upload URL is given. */
  active(uploadUrl?: string): Promise<ActiveJob[]>

  /** Services that have jobs which are not final, configured or not. */
  backlog(): Promise<Map<string, ServiceBacklog>>

  /**
   * Gives the next job of a service, by `nextTurn`, to the client that is chosen for it: it is
   * `Processing`, with a new attempt. `undefined` when nobody may start.
   *
   * @param choose is called inside the transaction.
   */
  claim(
    service: string,
    quota: Quota,
    choose: (job: Job) => Choice,
    nowMs: number,
  ): Promise<ActiveJob | undefined>

  /**
   * Gives an active job whose client is lost to another one, in one act: it keeps its slot, its old
   * attempt is over, and a new one is `Processing`.
   *
   * @param choose is called inside the transaction, only if the job may be given away.
   * @returns `undefined` if it stays where it is.
   */
  relocate(
    id: number,
    fact: Extract<Fact, { readonly is: 'client lost' }>,
    choose: (job: Job) => Choice,
    nowMs: number,
  ): Promise<ActiveJob | undefined>

  /**
   * Applies what `decide` makes of a fact, durably.
   *
   * @returns the job after it, or `undefined` if the fact changed nothing.
   */
  learn(id: number, fact: Fact, nowMs: number): Promise<Job | undefined>

  /**
   * Lets queued jobs whose back-off is over take part again.
   *
   * @returns when the next back-off will be over; `undefined` if none is left.
   */
  releaseRetries(nowMs: number): Promise<number | undefined>

  /** Ids of jobs that were final before this and are not `Cleaned`; those that were so first. */
  finalBefore(beforeMs: number, limit: number): Promise<number[]>

  /** When the job that was final first became so, of those that are not `Cleaned`. */
  oldestFinalAtMs(): Promise<number | undefined>

  /** Which of these ids need no files: there is no such job, or it is `Cleaned`. */
  withoutFiles(ids: readonly number[]): Promise<number[]>

  /** The time of the last change that was written; `null` before the first. */
  lastChangeAtMs(): Promise<number | null>

  /**
   * Calls `listener` with the service of every new job, in the write that queues it: a claim that is
   * asked for then, at once, is made durable together with it.
   */
  onNew(listener: (service: string) => void): void

  /** Calls `listener` with every change, in order, after it was committed. */
  onChange(listener: (change: JobChange) => void): void
}
