/**
 * What has to be true of every job when a system that was broken on purpose has come to rest. Pure:
 * `oracle.ts` gathers the evidence.
 */
import { isActive, isFinal, mayBecome } from '../../src/domain/job.ts'
import type { JobStatus } from '../../src/domain/job.ts'
import type { JobDetails, ServerHealth } from '../../src/domain/protocol.ts'
import type { LedgerEntry } from './ledger.ts'
import type { Sent } from './sent.ts'

/** One thing that is not as it has to be; `job` where it is about one. */
export type Violation = { readonly rule: string; readonly job?: number; readonly what: string }

/** Files of a result by their paths. */
export type ResultFiles = ReadonlyMap<string, { readonly content: Buffer }>

/**
 * An attempt may go on beside its successor when this says so: by the rules of the design, when its
 * client was silent for so long that its job was given to another one.
 */
export type MayOverlap = (job: JobDetails, attempt: number) => boolean

export const wasSilent: MayOverlap = (job, attempt) =>
  job.attempts
    .find(({ number }) => number === attempt)
    ?.outcome?.startsWith('its client was silent for') === true

/** Whether a job has reached its end. */
export function hasEnded({ status }: Pick<JobDetails, 'status'>): boolean {
  return isFinal(status as JobStatus)
}

/** Every job has ended, and nothing of the quotas is held. */
export function checkRest(jobs: readonly JobDetails[], health: ServerHealth): Violation[] {
  const rule = 'every job ends'
  const stuck = jobs.filter((job) => !hasEnded(job))
  const held = health.services.filter(({ active, queued }) => active + queued > 0)
  return [
    ...stuck.map(({ id, status, message }) => ({ rule, job: id, what: `${status}: ${message}` })),
    ...held.map(({ name, active, queued }) => {
      return { rule, what: `service ${name} says ${active} active and ${queued} queued` }
    }),
  ]
}

/**
 * Each upload is one job, and each job is of an upload.
 *
 * @param idsThere of all jobs in the database.
 */
export function checkIdentity(sent: readonly Sent[], idsThere: readonly number[]): Violation[] {
  const rule = 'each upload is one job'
  const violations: Violation[] = []
  const owners = new Map<number, Sent>()
  const there = new Set(idsThere)
  for (const upload of sent) {
    const { label } = upload.task
    if (upload.id === undefined) violations.push({ rule, what: `${label} was never taken` })
    if (upload.ids.length > 1) {
      violations.push({ rule, what: `${label} became the jobs ${upload.ids.join(', ')}` })
    }
    if (upload.createdTimes > 1) {
      violations.push({ rule, what: `${label} was created ${upload.createdTimes} times` })
    }
    for (const job of upload.ids) {
      const other = owners.get(job)
      if (other) {
        violations.push({ rule, job, what: `it is both ${other.task.label} and ${label}` })
      }
      if (!there.has(job)) violations.push({ rule, job, what: `${label} is not in the database` })
      owners.set(job, upload)
    }
  }
  const strays = idsThere.filter((id) => !owners.has(id))
  if (strays.length > 0) {
    violations.push({ rule, what: `jobs that nobody was told of: ${strays.join(', ')}` })
  }
  return violations
}

/** How a job ended, also when its files were removed since. */
export function endingOf({ status, history }: JobDetails): JobStatus {
  return ((status === 'Cleaned' && history.at(-1)?.from) || status) as JobStatus
}

/**
 * It ended as its script did.
 *
 * @param entries those of this job.
 */
export function checkEnding(
  job: JobDetails,
  sent: Sent,
  entries: readonly LedgerEntry[],
): Violation[] {
  const { id, message } = job
  const { task, wasToEnd } = sent
  const ending = endingOf(job)
  const say = (what: string) => [{ rule: 'it ended as its script did', job: id, what }]
  if (!isFinal(ending)) return []
  const saw = `it is ${ending} (${message}), of kind ${task.kind}`
  if (ending !== task.ending && !(ending === 'Killed' && wasToEnd)) return say(saw)
  if (ending === 'Killed') return wasToEnd ? [] : say(`${saw}, and nobody asked for it`)
  const code = ending === 'Failed' ? 3 : 0
  if (ending === 'Failed' && !message.includes('exit code 3')) return say(saw)
  const current = job.attempts.at(-1)?.number
  const ended = entries.filter(({ what, attempt }) => what === 'end' && attempt === current)
  if (ended.length === 1 && ended[0]?.code === code) return []
  const codes = ended.map((entry) => entry.code).join(', ')
  return say(`${saw}; of its last attempt, ${current}, the ledger has the ends [${codes}]`)
}

/** The result has the very bytes that the script wrote, and those of its inputs. */
export function checkResult(id: number, sent: Sent, files: ResultFiles): Violation[] {
  const say = (what: string) => ({ rule: 'the result is what its script wrote', job: id, what })
  const expected = sent.task.results()
  const violations: Violation[] = []
  for (const [path, content] of expected) {
    const got = files.get(path)?.content
    if (!got) violations.push(say(`${path} is missing`))
    else if (!got.equals(content)) {
      violations.push(say(`${path} has ${got.length} bytes that are not the ${content.length}`))
    }
  }
  for (const path of files.keys()) {
    const isOurs = path.startsWith('.orchestrator/') || path.endsWith('/')
    if (!isOurs && !expected.has(path)) violations.push(say(`${path} is not its script's`))
  }
  return violations
}

/** No attempt's script starts twice, and each that started is known. */
export function checkStarts(
  job: JobDetails,
  sent: Sent | undefined,
  entries: readonly LedgerEntry[],
): Violation[] {
  const say = (what: string) => ({ rule: 'each attempt starts once', job: job.id, what })
  const violations: Violation[] = []
  const starts = new Map<number, LedgerEntry[]>()
  for (const entry of entries) {
    if (entry.what !== 'start') continue
    starts.set(entry.attempt, [...(starts.get(entry.attempt) ?? []), entry])
    if (sent && entry.label !== sent.task.label) {
      violations.push(say(`the script of ${entry.label} ran instead of that of ${sent.task.label}`))
    }
  }
  for (const [attempt, all] of starts) {
    const pids = all.map(({ pid }) => pid).join(', ')
    if (all.length > 1) violations.push(say(`attempt ${attempt} started as processes ${pids}`))
    if (!job.attempts.some(({ number }) => number === attempt)) {
      violations.push(say(`attempt ${attempt} started, and is not known`))
    }
  }
  return violations
}

/** Attempts run one after the other. */
export function checkOverlaps(
  job: JobDetails,
  entries: readonly LedgerEntry[],
  mayOverlap: MayOverlap,
): Violation[] {
  const started = new Map<number, number>()
  const lastSeen = new Map<number, number>()
  for (const { what, attempt, atMs } of entries) {
    if (what === 'start' && !started.has(attempt)) started.set(attempt, atMs)
    lastSeen.set(attempt, Math.max(lastSeen.get(attempt) ?? 0, atMs))
  }
  const numbers = [...started.keys()].toSorted((a, b) => a - b)
  return numbers.slice(1).flatMap((number, index) =>
    numbers
      .slice(0, index + 1)
      .filter((earlier) => (lastSeen.get(earlier) ?? 0) > (started.get(number) ?? 0))
      .filter((earlier) => !mayOverlap(job, earlier))
      .map((earlier) => ({
        rule: 'attempts run one after the other',
        job: job.id,
        what: `attempt ${earlier} was alive after attempt ${number} had started`,
      })),
  )
}

/** The history is one that the rules allow, and tells how the job is. */
export function checkHistory({ id, history, status, attempts }: JobDetails): Violation[] {
  const say = (what: string) => ({ rule: 'the history is a legal walk', job: id, what })
  const violations: Violation[] = []
  const [first] = history
  if (first?.from !== null || first.to !== 'Queued')
    violations.push(say('it does not begin Queued'))
  for (const [index, { from, to, at, attempt }] of history.entries()) {
    const before = history[index - 1]
    if (!before) continue
    const step = `step ${index}, ${from} to ${to},`
    if (from !== before.to) violations.push(say(`${step} comes after ${before.to}`))
    if (from === null || (from !== to && !mayBecome(from as JobStatus, to as JobStatus))) {
      violations.push(say(`${step} is not allowed`))
    }
    if (at < before.at) violations.push(say(`${step} is before the one before it`))
    if (attempt < before.attempt) violations.push(say(`${step} goes back to attempt ${attempt}`))
  }
  const last = history.at(-1)
  if (last?.to !== status)
    violations.push(say(`it ends with ${last?.to}, and the job is ${status}`))
  const numbers = attempts.map(({ number }) => number)
  if (numbers.some((number, index) => number !== index + 1)) {
    violations.push(say(`its attempts are ${numbers.join(', ')}`))
  }
  const open = attempts.filter(({ endedAt }) => endedAt === null)
  if (!isActive(status as JobStatus) && open.length > 0) {
    violations.push(say(`attempt ${open[0]?.number} has not ended, and the job is ${status}`))
  }
  return violations
}
