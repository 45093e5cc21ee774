/**
 * The oracle, the same for every test that breaks the system on purpose: when all is up again and has
 * come to rest, nothing that was accepted may be lost, doubled or stuck, and nothing may be left.
 */
import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { JobDetails, ServerHealth } from '../../src/domain/protocol.ts'
import { findLeft, jobIdsIn } from './at-rest.ts'
import type { Directories } from './at-rest.ts'
import type { Door } from './door.ts'
import type { Ledger, LedgerEntry } from './ledger.ts'
import {
  checkEnding,
  checkHistory,
  checkIdentity,
  checkOverlaps,
  checkRest,
  checkResult,
  checkStarts,
  endingOf,
  hasEnded,
  wasSilent,
} from './oracle-rules.ts'
import type { MayOverlap, Violation } from './oracle-rules.ts'
import { send, terminate } from './sent.ts'
import type { Sent } from './sent.ts'
import { readZip } from './zip.ts'

export type OracleCase = {
  /** The server, which is up; so are its clients. */
  readonly api: Door
  readonly sent: readonly Sent[]
  readonly ledger: Ledger
  readonly directories: Directories
  /** Those that were given away, unless said otherwise. */
  readonly mayRunTwice?: MayOverlap
  /** So long nothing may change while something is still to be done. */
  readonly patienceMs?: number
}

/** What the oracle saw, for a summary. */
export type Findings = { readonly jobs: readonly JobDetails[]; readonly entries: LedgerEntry[] }

export class OracleError extends Error {
  override readonly name = 'OracleError'
  readonly violations: readonly Violation[]
  readonly findings: Findings

  constructor(violations: readonly Violation[], findings: Findings) {
    const lines = violations.map(({ rule, job, what }) => {
      return `- ${rule}: ${job === undefined ? '' : `job ${job}: `}${what}`
    })
    super(`${violations.length} things are not as they have to be:\n${lines.join('\n')}`)
    this.violations = violations
    this.findings = findings
  }
}

/**
 * Waits until the system has come to rest, and looks at everything.
 *
 * @throws OracleError with all that is wrong.
 */
export async function checkOracle(oracle: OracleCase): Promise<Findings> {
  const { api, sent, ledger, directories, mayRunTwice = wasSilent } = oracle
  const { patienceMs = 60_000 } = oracle
  await sendUnanswered(api, sent, patienceMs)
  await endEndless(api, sent)
  const ids = jobIdsIn(directories.server.dbPath)
  const jobs = await awaitEnds(api, ids, patienceMs)
  const left = await awaitNothingLeft(directories, ids, patienceMs)
  const health = (await (await api.fetch('/health')).json()) as ServerHealth

  const entries = await ledger.read()
  const ofJob = Map.groupBy(entries, ({ job }) => job)
  const violations = [
    ...checkRest(jobs, health),
    ...checkIdentity(sent, ids),
    ...left.map((what) => ({ rule: 'nothing is left', what })),
    ...[...ofJob.keys()]
      .filter((job) => !ids.includes(job))
      .map((job) => ({ rule: 'each upload is one job', job, what: 'it ran, and is not there' })),
  ]
  const owners = new Map(sent.flatMap((upload) => upload.ids.map((id) => [id, upload])))
  for (const job of jobs) {
    const told = ofJob.get(job.id) ?? []
    const upload = owners.get(job.id)
    violations.push(
      ...checkHistory(job),
      ...checkStarts(job, upload, told),
      ...checkOverlaps(job, told, mayRunTwice),
      ...(upload ? checkEnding(job, upload, told) : []),
      ...(upload ? await checkDownload(api, job, upload) : []),
    )
  }
  if (violations.length > 0) throw new OracleError(violations, { jobs, entries })
  return { jobs, entries }
}

/** An upload without an answer is sent again under its key, as a good application does. */
async function sendUnanswered(api: Door, sent: readonly Sent[], patienceMs: number): Promise<void> {
  for (const upload of sent) {
    const deadline = performance.now() + patienceMs
    while (upload.id === undefined && performance.now() < deadline) {
      await send(api, upload)
      if (upload.id === undefined) await delay(100)
    }
  }
}

/** What does not end by itself, and has not been asked to. */
async function endEndless(api: Door, sent: readonly Sent[]): Promise<void> {
  for (const upload of sent) {
    if (upload.task.ending === 'Killed' && !upload.hasHeardOfItsEnd) await terminate(api, upload)
  }
}

/** Waits as long as there is progress. */
async function awaitEnds(
  api: Door,
  ids: readonly number[],
  patienceMs: number,
): Promise<JobDetails[]> {
  const jobs = new Map<number, JobDetails>()
  const openOf = () => ids.filter((id) => !hasEnded(jobs.get(id) ?? { status: 'Queued' }))
  let deadline = performance.now() + patienceMs
  for (;;) {
    const open = openOf()
    if (open.length === 0 || performance.now() > deadline) break
    for (const id of open) {
      const job = await describe(api, id)
      if (job.history.length !== jobs.get(id)?.history.length) {
        deadline = performance.now() + patienceMs
      }
      jobs.set(id, job)
    }
    if (openOf().length > 0) await delay(50)
  }
  return [...jobs.values()]
}

async function describe(api: Door, id: number): Promise<JobDetails> {
  const response = await api.fetch(`/jobs/${id}`)
  if (!response.ok) throw new Error(`GET /jobs/${id}: ${response.status} ${await response.text()}`)
  return (await response.json()) as JobDetails
}

/** Removals may still be under way when the last job has ended. */
async function awaitNothingLeft(
  directories: Directories,
  ids: readonly number[],
  patienceMs: number,
): Promise<string[]> {
  const deadline = performance.now() + patienceMs
  for (;;) {
    const left = await findLeft(directories, ids)
    if (left.length === 0 || performance.now() > deadline) return left
    await delay(50)
  }
}

/** What is to be had of a job that ended as its script did. */
async function checkDownload(api: Door, job: JobDetails, upload: Sent): Promise<Violation[]> {
  const isWhole = endingOf(job) === 'Completed' || endingOf(job) === 'Failed'
  if (!isWhole || job.status === 'Cleaned') return []
  const say = (what: string) => [{ rule: 'the result can be had', job: job.id, what }]
  if (job.result === null) {
    // One that never ran has none.
    return /^$|^run\.sh ended/.test(job.message) ? say('it has no result') : []
  }
  const verb = job.status === 'Completed' ? 'download' : 'download_partial'
  const response = await api.fetch(`/${verb}/${job.id}`)
  const body = Buffer.from(await response.arrayBuffer())
  if (response.headers.get('content-type') !== 'application/zip') {
    return say(`${verb} answers ${response.status}: ${body.toString().slice(0, 300)}`)
  }
  if (body.length !== job.result.sizeBytes) {
    return say(`${verb} gives ${body.length} bytes instead of ${job.result.sizeBytes}`)
  }
  const sha256 = createHash('sha256').update(body).digest('hex')
  if (sha256 !== job.result.sha256) {
    return say(`${verb} gives bytes of SHA-256 ${sha256} instead of ${job.result.sha256}`)
  }
  try {
    return checkResult(job.id, upload, await readZip(body))
  } catch (error) {
    return say(`${verb} gives a broken ZIP: ${String(error)}`)
  }
}
