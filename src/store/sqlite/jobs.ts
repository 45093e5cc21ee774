/** The server's store on SQLite. */
import type { DatabaseSync } from 'node:sqlite'
import { crashPoint } from '../../crash-points.ts'
import { decide } from '../../domain/decide.ts'
import type { Change, Fact, Rules } from '../../domain/decide.ts'
import { isFinal } from '../../domain/job.ts'
import type { Attempt, HistoryEntry, Job } from '../../domain/job.ts'
import { nextTurn } from '../../domain/quota.ts'
import type { Quota } from '../../domain/quota.ts'
import type {
  ActiveJob,
  Choice,
  Idempotency,
  JobChange,
  JobStore,
  KeyedJob,
  NewJob,
  ServiceBacklog,
} from '../jobs.ts'
import { openDatabase } from './database.ts'
import { GroupCommit } from './group-commit.ts'
import { DatabaseGuard } from './guard.ts'
import type { OnBroken } from './guard.ts'
import { prepareJobStatements } from './job-statements.ts'
import type { JobStatements } from './job-statements.ts'
import { integer, maybeInteger, text, toAttempt, toHistoryEntry, toJob } from './rows.ts'

/** A job is given to a client. */
type Given = Extract<Choice, { readonly key: string }>

/** So many jobs are passed over by one claim, so that a claim is never long. */
const mostPassedOver = 100

/**
 * Opens the store of a server.
 *
 * @param path the database file, or `:memory:`.
 * @param onBroken ends the process when the file cannot be relied on any more; whoever waits for
 *   something then hears nothing, or that it is so.
 * @throws StoreError if the file cannot be used.
 */
export function openJobStore(path: string, rules: Rules, onBroken: OnBroken = () => {}): JobStore {
  return new SqliteJobStore(openDatabase(path), rules, new DatabaseGuard(path, onBroken))
}

class SqliteJobStore implements JobStore {
  readonly serverId: string
  readonly #database: DatabaseSync
  readonly #guard: DatabaseGuard
  readonly #rules: Rules
  readonly #sql: JobStatements
  readonly #commits: GroupCommit
  readonly #listeners: ((change: JobChange) => void)[] = []
  #changes: JobChange[] = []
  #highestId: number

  constructor(database: DatabaseSync, rules: Rules, guard: DatabaseGuard) {
    this.#database = database
    this.#guard = guard
    this.#rules = rules
    this.#sql = prepareJobStatements(database, guard)
    this.#commits = new GroupCommit(
      database,
      guard,
      () => this.#tell(),
      () => (this.#changes = []),
    )
    this.serverId = text(this.#sql.server.get() ?? {}, 'server_id')
    this.#highestId = integer(this.#sql.highestId.get() ?? {}, 'id')
  }

  get highestId(): number {
    return this.#highestId
  }

  async check(): Promise<void> {
    this.#sql.server.get()
  }

  async needsFiles(): Promise<boolean> {
    return this.#sql.anyNeedsFiles.get() !== undefined
  }

  reserveId(): number {
    return ++this.#highestId
  }

  insert(newJob: NewJob, nowMs: number): Promise<Job> {
    return this.#write(() => this.#insert(newJob, { key: null, fingerprint: null }, nowMs))
  }

  insertOnce(
    newJob: NewJob,
    idempotency: Idempotency,
    nowMs: number,
  ): Promise<KeyedJob & { readonly isNew: boolean }> {
    return this.#write(() => {
      const there = this.#findUpload(newJob.userId, idempotency.key)
      if (there) return { ...there, isNew: false }
      const job = this.#insert(newJob, idempotency, nowMs)
      return { job, fingerprint: idempotency.fingerprint, isNew: true }
    })
  }

  #insert(
    { id, userId, service, isFlat, scriptAttempts = 1, maxRuntimeMs = null }: NewJob,
    idempotency: { readonly [part in keyof Idempotency]: string | null },
    nowMs: number,
  ): Job {
    this.#sql.insertJob.run({
      id,
      userId,
      service,
      isFlat: Number(isFlat),
      scriptAttempts,
      maxRuntimeMs,
      ...idempotency,
      nowMs,
    })
    this.#sql.insertHistory.run({
      id,
      nowMs,
      from: null,
      to: 'Queued',
      attempt: 0,
      client: null,
      reason: 'uploaded',
    })
    const job = this.#job(id)
    this.#changes.push({ job, from: null, reason: 'uploaded', client: null })
    return job
  }

  async findUpload(userId: string, idempotencyKey: string): Promise<KeyedJob | undefined> {
    return this.#findUpload(userId, idempotencyKey)
  }

  async find(id: number): Promise<Job | undefined> {
    return this.#find(id)
  }

  async current(id: number): Promise<ActiveJob | undefined> {
    const job = this.#find(id)
    return job && job.attempt > 0 ? { job, attempt: this.#attempt(job) } : undefined
  }

  async attempts(id: number): Promise<Attempt[]> {
    return this.#sql.attempts.all(id).map(toAttempt)
  }

  async history(id: number): Promise<HistoryEntry[]> {
    return this.#sql.history.all(id).map(toHistoryEntry)
  }

  async findByKey(key: string): Promise<ActiveJob | undefined> {
    const row = this.#sql.attemptByKey.get(key)
    if (!row) return undefined
    const attempt = toAttempt(row)
    return { job: this.#job(attempt.jobId), attempt }
  }

  async active(uploadUrl?: string): Promise<ActiveJob[]> {
    const jobs = this.#sql.activeJobs.all().map(toJob)
    return jobs
      .map((job) => ({ job, attempt: this.#attempt(job) }))
      .filter(({ attempt }) => uploadUrl === undefined || attempt.client.uploadUrl === uploadUrl)
  }

  async backlog(): Promise<Map<string, ServiceBacklog>> {
    const rows = this.#sql.backlog.all().map((row): [string, ServiceBacklog] => [
      text(row, 'service'),
      {
        queued: integer(row, 'queued'),
        active: integer(row, 'active'),
        oldestQueuedAtMs: maybeInteger(row, 'oldest'),
      },
    ])
    return new Map(rows)
  }

  claim(
    service: string,
    quota: Quota,
    choose: (job: Job) => Choice,
    nowMs: number,
  ): Promise<ActiveJob | undefined> {
    return this.#write(() => {
      const taken = this.#choose(service, quota, choose)
      return taken && this.#give(taken.before, taken.choice, 'its turn has come', nowMs)
    })
  }

  relocate(
    id: number,
    fact: Extract<Fact, { readonly is: 'client lost' }>,
    choose: (job: Job) => Choice,
    nowMs: number,
  ): Promise<ActiveJob | undefined> {
    return this.#write(() => {
      const job = this.#find(id)
      const [change] = job ? decide(job, fact, this.#rules, nowMs) : []
      if (!job || change?.to !== 'Queued') return undefined
      const choice = choose(job)
      if (choice === undefined || !('key' in choice)) return undefined
      const queued = this.#step(job, change, nowMs)
      return this.#give(queued, choice, 'another client takes it', nowMs)
    })
  }

  /** A queued job becomes `Processing`, with a new attempt. */
  #give(before: Job, given: Given, reason: string, nowMs: number): ActiveJob {
    const { id, service, userId } = before
    const number = before.attempt + 1
    const { key, client, instance = null } = given
    this.#sql.insertAttempt.run({ id, number, key, instance, nowMs, ...client })
    this.#sql.startTurn.run({ service, userId })
    this.#sql.countStart.run(service)
    const job = this.#step({ ...before, attempt: number }, { to: 'Processing', reason }, nowMs)
    return { job, attempt: this.#attempt(job) }
  }

  #choose(service: string, quota: Quota, choose: (job: Job) => Choice) {
    for (let passedOver = 0; passedOver < mostPassedOver; passedOver++) {
      const id = this.#nextJob(service, quota)
      if (id === undefined) return undefined
      const before = this.#job(id)
      const choice = choose(before)
      if (choice === undefined) return undefined
      if ('key' in choice) return { before, choice }
      // Neither a step of the job nor worth a row of history.
      this.#sql.passOver.run(choice.passedOverUntilMs, choice.reason, id)
    }
    return undefined
  }

  /** Id of the job whose turn it is. */
  #nextJob(service: string, quota: Quota): number | undefined {
    const load = this.#sql.service.get(service)
    if (!load) return undefined
    const waiting = this.#sql.nextTurn.all(service).map((row) => ({
      userId: text(row, 'user_id'),
      active: integer(row, 'active'),
      lastStart: integer(row, 'last_start'),
      firstJob: integer(row, 'first_job'),
    }))
    const turn = nextTurn(waiting, integer(load, 'active'), quota)
    const row = turn && this.#sql.nextJob.get(service, turn.userId)
    return row && integer(row, 'id')
  }

  learn(id: number, fact: Fact, nowMs: number): Promise<Job | undefined> {
    return this.#write(() => {
      const job = this.#find(id)
      if (!job) return undefined
      const changes = decide(job, fact, this.#rules, nowMs)
      if (changes.length === 0) return undefined
      return changes.reduce((before, change) => this.#step(before, change, nowMs), job)
    })
  }

  releaseRetries(nowMs: number): Promise<number | undefined> {
    return this.#write(() => {
      this.#sql.releaseRetries.run(nowMs)
      const next = maybeInteger(this.#sql.nextRetry.get() ?? {}, 'next')
      return next ?? undefined
    })
  }

  async finalBefore(beforeMs: number, limit: number): Promise<number[]> {
    return this.#sql.finalBefore.all(beforeMs, limit).map((row) => integer(row, 'id'))
  }

  async oldestFinalAtMs(): Promise<number | undefined> {
    return maybeInteger(this.#sql.oldestFinal.get() ?? {}, 'oldest') ?? undefined
  }

  async withoutFiles(ids: readonly number[]): Promise<number[]> {
    return this.#sql.withoutFiles.all(JSON.stringify(ids)).map((row) => integer(row, 'id'))
  }

  async lastChangeAtMs(): Promise<number | null> {
    const row = this.#sql.lastChange.get()
    return row ? integer(row, 'at_ms') : null
  }

  onChange(listener: (change: JobChange) => void): void {
    this.#listeners.push(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#commits.flush()
    this.#guard.run(() => this.#database.close())
  }

  /** One step of a job: the conditional write, the attempt's marks and the row of history. */
  #step(before: Job, change: Change, nowMs: number): Job {
    const { id, status: from } = before
    const job = { ...before, ...change.job }
    const isClaim = from === 'Queued' && change.to === 'Processing'
    const { changes } = this.#sql.updateJob.run({
      id,
      from,
      // A claim has made the new attempt already: the row still has the one before it.
      fromAttempt: isClaim ? before.attempt - 1 : before.attempt,
      to: change.to,
      attempt: before.attempt,
      nowMs,
      message: job.message,
      lostAttempts: job.lostAttempts,
      failedAttempts: job.failedAttempts,
      terminateRequestedAtMs: job.terminateRequestedAtMs,
      retryAtMs: change.to === 'Queued' ? job.retryAtMs : null,
      finalAtMs: isFinal(change.to) ? (before.finalAtMs ?? nowMs) : null,
      resultSizeBytes: job.result?.sizeBytes ?? null,
      resultSha256: job.result?.sha256 ?? null,
    })
    if (changes !== 1) throw new Error(`job ${id} was not ${from} in attempt ${before.attempt}`)
    if (change.attempt) this.#markAttempt(before, change.attempt)
    if (change.to === 'Cleaned') this.#sql.freeUploadKey.run(id)
    const after = this.#job(id)
    const client = before.attempt > 0 ? this.#attempt(after).client.uploadUrl : null
    const { reason, to } = change
    this.#sql.insertHistory.run({ id, nowMs, from, to, attempt: before.attempt, client, reason })
    crashPoint('step: written')
    this.#changes.push({ job: after, from, reason, client })
    return after
  }

  #markAttempt(job: Job, marks: NonNullable<Change['attempt']>): void {
    const attempt = { ...this.#attempt(job), ...marks }
    this.#sql.updateAttempt.run({
      id: job.id,
      number: job.attempt,
      instance: attempt.instance,
      payloadId: attempt.payloadId,
      submittedAtMs: attempt.submittedAtMs,
      startedAtMs: attempt.startedAtMs,
      endedAtMs: attempt.endedAtMs,
      outcome: attempt.outcome,
    })
  }

  #write<T>(body: () => T): Promise<T> {
    return this.#commits.write(() => {
      const told = this.#changes.length
      try {
        return body()
      } catch (error) {
        this.#changes.length = told
        throw error
      }
    })
  }

  #tell(): void {
    const changes = this.#changes
    this.#changes = []
    if (changes.length > 0) crashPoint('step: committed')
    for (const change of changes) for (const listener of this.#listeners) listener(change)
  }

  #find(id: number): Job | undefined {
    const row = this.#sql.job.get(id)
    return row && toJob(row)
  }

  #findUpload(userId: string, idempotencyKey: string): KeyedJob | undefined {
    const row = this.#sql.upload.get(userId, idempotencyKey)
    return row && { job: toJob(row), fingerprint: text(row, 'upload_fingerprint') }
  }

  #job(id: number): Job {
    const job = this.#find(id)
    if (!job) throw new Error(`job ${id} is gone from the database`)
    return job
  }

  #attempt({ id, attempt: number }: { id: number; attempt: number }): Attempt {
    const row = this.#sql.attempt.get(id, number)
    if (!row) throw new Error(`attempt ${number} of job ${id} is gone from the database`)
    return toAttempt(row)
  }
}
