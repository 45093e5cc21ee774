/** The server's store on SQLite. */
import type { DatabaseSync } from 'node:sqlite'
import { crashPoint } from '../../crash-points.ts'
import { decide } from '../../domain/decide.ts'
import type { Change, Fact, Rules } from '../../domain/decide.ts'
import { messageOf } from '../../domain/errors.ts'
import type { Attempt, HistoryEntry, Job } from '../../domain/job.ts'
import { demandQueueRoom } from '../../domain/queue-limit.ts'
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
import { StoreError, openDatabase } from './database.ts'
import { GroupCommit } from './group-commit.ts'
import { DatabaseGuard } from './guard.ts'
import type { OnBroken } from './guard.ts'
import { Journal } from './journal.ts'
import { changed, newAttempt, newlyQueued } from './job-changes.ts'
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
  const database = openDatabase(path)
  const guard = new DatabaseGuard(path, onBroken)
  if (path === ':memory:') return new SqliteJobStore(database, rules, guard)
  try {
    database.exec('pragma synchronous = normal')
    return new SqliteJobStore(database, rules, guard, new Journal(path))
  } catch (error) {
    database.close()
    throw new StoreError(`cannot use the database ${path}: ${messageOf(error)}`, { cause: error })
  }
}

class SqliteJobStore implements JobStore {
  readonly serverId: string
  readonly #database: DatabaseSync
  readonly #guard: DatabaseGuard
  readonly #journal: Journal | undefined
  readonly #rules: Rules
  readonly #sql: JobStatements
  readonly #commits: GroupCommit
  readonly #listeners: ((change: JobChange) => void)[] = []
  readonly #newListeners: ((service: string) => void)[] = []
  #changes: JobChange[] = []
  #highestId: number
  /** No job's back-off is over before this; `undefined`: none backs off. */
  #nextRetryAtMs: number | undefined

  /** @param journal to be flushed after each commit; without one SQLite sees to it. */
  constructor(database: DatabaseSync, rules: Rules, guard: DatabaseGuard, journal?: Journal) {
    this.#database = database
    this.#journal = journal
    this.#guard = guard
    this.#rules = rules
    this.#sql = prepareJobStatements(database, guard)
    this.#commits = new GroupCommit({
      database,
      guard,
      flush: journal && (() => journal.flush()),
      committed: () => this.#tell(),
      undone: () => (this.#changes = []),
    })
    this.serverId = text(this.#sql.server.get() ?? {}, 'server_id')
    this.#highestId = integer(this.#sql.highestId.get() ?? {}, 'id')
    this.#nextRetryAtMs = this.#firstRetryAtMs()
  }

  get highestId(): number {
    return this.#highestId
  }

  async check(): Promise<void> {
    this.#sql.server.get()
  }

  async needsFiles(): Promise<boolean> {
    await this.#commits.durable()
    return this.#sql.anyNeedsFiles.get() !== undefined
  }

  reserveId(): number {
    return ++this.#highestId
  }

  insert(newJob: NewJob, nowMs: number, mostQueued = Infinity): Promise<Job> {
    return this.#write(() => {
      this.#demandRoom(newJob, mostQueued)
      return this.#insert(newJob, { key: null, fingerprint: null }, nowMs)
    })
  }

  insertOnce(
    newJob: NewJob,
    idempotency: Idempotency,
    nowMs: number,
    mostQueued = Infinity,
  ): Promise<KeyedJob & { readonly isNew: boolean }> {
    return this.#write(() => {
      const there = this.#findUpload(newJob.userId, idempotency.key)
      if (there) return { ...there, isNew: false }
      this.#demandRoom(newJob, mostQueued)
      const job = this.#insert(newJob, idempotency, nowMs)
      return { job, fingerprint: idempotency.fingerprint, isNew: true }
    })
  }

  /** Looked at where it is written, so that of two that come at once only one is the last. */
  #demandRoom({ service, userId }: NewJob, mostQueued: number): void {
    if (mostQueued === Infinity) return
    demandQueueRoom(service, this.#countQueued(service, userId), mostQueued)
  }

  async countQueued(service: string, userId: string): Promise<number> {
    await this.#commits.durable()
    return this.#countQueued(service, userId)
  }

  #countQueued(service: string, userId: string): number {
    const row = this.#sql.waiting.get(service, userId)
    return row ? integer(row, 'waiting') : 0
  }

  #insert(
    { id, userId, service, isFlat, scriptAttempts = 1, maxRuntimeMs = null, limits = {} }: NewJob,
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
      limits: Object.keys(limits).length === 0 ? null : JSON.stringify(limits),
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
    const job = newlyQueued(
      { id, userId, service, isFlat, scriptAttempts, maxRuntimeMs, limits },
      nowMs,
    )
    this.#changes.push({ job, from: null, reason: 'uploaded', client: null })
    for (const listener of this.#newListeners) listener(service)
    return job
  }

  async findUpload(userId: string, idempotencyKey: string): Promise<KeyedJob | undefined> {
    await this.#commits.durable()
    return this.#findUpload(userId, idempotencyKey)
  }

  async find(id: number): Promise<Job | undefined> {
    await this.#commits.durable()
    return this.#find(id)
  }

  async current(id: number): Promise<ActiveJob | undefined> {
    await this.#commits.durable()
    const job = this.#find(id)
    return job && job.attempt > 0 ? { job, attempt: this.#attempt(job) } : undefined
  }

  async attempts(id: number): Promise<Attempt[]> {
    await this.#commits.durable()
    return this.#sql.attempts.all(id).map(toAttempt)
  }

  async history(id: number): Promise<HistoryEntry[]> {
    await this.#commits.durable()
    return this.#sql.history.all(id).map(toHistoryEntry)
  }

  async findByKey(key: string): Promise<ActiveJob | undefined> {
    await this.#commits.durable()
    const row = this.#sql.attemptByKey.get(key)
    if (!row) return undefined
    const attempt = toAttempt(row)
    return { job: this.#job(attempt.jobId), attempt }
  }

  async active(uploadUrl?: string): Promise<ActiveJob[]> {
    await this.#commits.durable()
    const rows =
      uploadUrl === undefined ? this.#sql.activeJobs.all() : this.#sql.activeAt.all(uploadUrl)
    return rows.map(toJob).map((job) => ({ job, attempt: this.#attempt(job) }))
  }

  async backlog(): Promise<Map<string, ServiceBacklog>> {
    await this.#commits.durable()
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

  async claim(
    service: string,
    quota: Quota,
    choose: (job: Job) => Choice,
    nowMs: number,
  ): Promise<ActiveJob | undefined> {
    // Most often nobody waits: to see that needs no transaction. Who comes now wakes us then.
    if (this.#nextJob(service, quota) === undefined) return undefined
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
    const attempt = newAttempt(id, number, { key, client, instance }, nowMs)
    this.#sql.insertAttempt.run({ id, number, key, instance, nowMs, ...client })
    this.#sql.startTurn.run({ service, userId })
    this.#sql.countStart.run(service)
    const claimed = { ...before, attempt: number }
    const job = this.#step(claimed, { to: 'Processing', reason }, nowMs, attempt)
    return { job, attempt }
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
      this.#expectRetry(choice.passedOverUntilMs)
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
    // These come one right after the other, and nobody waits for them.
    const isPatient = fact.is === 'accepted' || fact.is === 'started'
    return this.#write(() => {
      const job = this.#find(id)
      if (!job) return undefined
      const changes = decide(job, fact, this.#rules, nowMs)
      if (changes.length === 0) return undefined
      return changes.reduce((before, change) => this.#step(before, change, nowMs), job)
    }, isPatient)
  }

  async releaseRetries(nowMs: number): Promise<number | undefined> {
    const next = this.#nextRetryAtMs
    if (next === undefined || next > nowMs) return next
    try {
      return await this.#write(() => {
        this.#sql.releaseRetries.run(nowMs)
        this.#nextRetryAtMs = this.#firstRetryAtMs()
        return this.#nextRetryAtMs
      })
    } catch (error) {
      // It was undone, by a full disk for instance: they are due still.
      this.#expectRetry(next)
      throw error
    }
  }

  /** A job backs off until then. */
  #expectRetry(atMs: number): void {
    this.#nextRetryAtMs = Math.min(this.#nextRetryAtMs ?? Infinity, atMs)
  }

  #firstRetryAtMs(): number | undefined {
    return maybeInteger(this.#sql.nextRetry.get() ?? {}, 'next') ?? undefined
  }

  async finalBefore(beforeMs: number, limit: number): Promise<number[]> {
    await this.#commits.durable()
    return this.#sql.finalBefore.all(beforeMs, limit).map((row) => integer(row, 'id'))
  }

  async oldestFinalAtMs(): Promise<number | undefined> {
    await this.#commits.durable()
    return maybeInteger(this.#sql.oldestFinal.get() ?? {}, 'oldest') ?? undefined
  }

  async withoutFiles(ids: readonly number[]): Promise<number[]> {
    await this.#commits.durable()
    return this.#sql.withoutFiles.all(JSON.stringify(ids)).map((row) => integer(row, 'id'))
  }

  async lastChangeAtMs(): Promise<number | null> {
    await this.#commits.durable()
    const row = this.#sql.lastChange.get()
    return row ? integer(row, 'at_ms') : null
  }

  onNew(listener: (service: string) => void): void {
    this.#newListeners.push(listener)
  }

  onChange(listener: (change: JobChange) => void): void {
    this.#listeners.push(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#commits.end()
    this.#journal?.[Symbol.dispose]()
    this.#guard.run(() => this.#database.close())
  }

  /**
   * One step of a job: the conditional write, the attempt's marks and the row of history.
   *
   * @param attempt the present one, if it is known.
   */
  #step(before: Job, change: Change, nowMs: number, attempt?: Attempt): Job {
    const { id, status: from } = before
    const job = changed(before, change, nowMs)
    const isClaim = from === 'Queued' && change.to === 'Processing'
    const { changes } = this.#sql.updateJob.run({
      id,
      from,
      // A claim has made the new attempt already: the row still has the one before it.
      fromAttempt: isClaim ? before.attempt - 1 : before.attempt,
      to: job.status,
      attempt: job.attempt,
      nowMs,
      message: job.message,
      lostAttempts: job.lostAttempts,
      failedAttempts: job.failedAttempts,
      terminateRequestedAtMs: job.terminateRequestedAtMs,
      retryAtMs: job.retryAtMs,
      finalAtMs: job.finalAtMs,
      resultSizeBytes: job.result?.sizeBytes ?? null,
      resultSha256: job.result?.sha256 ?? null,
    })
    if (changes !== 1) throw new Error(`job ${id} was not ${from} in attempt ${before.attempt}`)
    if (job.retryAtMs !== null) this.#expectRetry(job.retryAtMs)
    if (change.to === 'Cleaned') this.#sql.freeUploadKey.run(id)
    const current = job.attempt > 0 ? (attempt ?? this.#attempt(job)) : undefined
    if (current && change.attempt) this.#markAttempt({ ...current, ...change.attempt })
    const client = current?.client.uploadUrl ?? null
    const { reason, to } = change
    this.#sql.insertHistory.run({ id, nowMs, from, to, attempt: job.attempt, client, reason })
    crashPoint('step: written')
    this.#changes.push({ job, from, reason, client })
    return job
  }

  #markAttempt(attempt: Attempt): void {
    this.#sql.updateAttempt.run({
      id: attempt.jobId,
      number: attempt.number,
      instance: attempt.instance,
      payloadId: attempt.payloadId,
      submittedAtMs: attempt.submittedAtMs,
      startedAtMs: attempt.startedAtMs,
      endedAtMs: attempt.endedAtMs,
      outcome: attempt.outcome,
    })
  }

  #write<T>(body: () => T, isPatient = false): Promise<T> {
    return this.#commits.write(() => {
      const told = this.#changes.length
      try {
        return body()
      } catch (error) {
        this.#changes.length = told
        throw error
      }
    }, isPatient)
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
