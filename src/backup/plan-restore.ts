/**
 * Says for every job of a backup where its files are, and has what is only in the backup copied to
 * a place beside. It moves nothing: where this ends early, everything is as it was.
 */
import { readdir } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import type { JobFiles } from '../files/job-files.ts'
import { areAmong, checkResult, copyInputs, copyResult, filesBelow } from '../files/job-copy.ts'
import type { Copied, JobFile } from '../files/job-copy.ts'
import type { KeptJob, KeptJobs } from '../store/sqlite/kept-jobs.ts'
import { jobsAtOnce } from './jobs-at-once.ts'
import type { LostJob, RestorePlan } from './restore-plan.ts'

export type Sources = {
  readonly kept: KeptJobs
  /** Of the backup. */
  readonly backup: JobFiles
  /** Of the server. */
  readonly data: JobFiles
  /** Where what comes from the backup is copied to; on the same disk as the server's. */
  readonly staged: JobFiles
  readonly signal: AbortSignal
  readonly onSeen: () => void
}

/** @param copied counts as it goes. */
export async function planRestore(sources: Sources, copied: Copied): Promise<RestorePlan> {
  const { kept, data, signal } = sources
  const here = new Set(await data.ids())
  // What belongs to another database says nothing of these jobs, whatever its ids are.
  const isOurs = (await data.owner()) === kept.serverId
  const asideJobs = [...here].filter((id) => !isOurs || kept.statusOf(id) === undefined)
  const plan: RestorePlan = {
    asideJobs,
    asideEntries: [],
    placed: [],
    staged: sources.staged,
    lost: [],
    inPlace: 0,
    broughtBack: 0,
  }
  const planner = new Planner(sources, isOurs ? here : new Set(), plan, copied)
  await jobsAtOnce(kept.all(), signal, async (job) => {
    await planner.add(job)
    sources.onSeen()
  })
  return plan
}

class Planner {
  readonly #sources: Sources
  readonly #here: ReadonlySet<number>
  readonly #plan: RestorePlan
  readonly #copied: Copied

  constructor(sources: Sources, here: ReadonlySet<number>, plan: RestorePlan, copied: Copied) {
    this.#sources = sources
    this.#here = here
    this.#plan = plan
    this.#copied = copied
  }

  async add(job: KeptJob): Promise<void> {
    const { backup, data, staged } = this.#sources
    const plan = this.#plan
    const { id } = job
    const fromBackup: string[] = []
    const saved = await filesBelow(backup.inputDirectory(id))
    const present = this.#here.has(id) ? await filesBelow(data.inputDirectory(id)) : undefined
    const isAnother = present !== undefined && saved !== undefined && !areAmong(saved, present)
    const isHere = this.#here.has(id) && !isAnother
    let inputs = isAnother ? undefined : present
    if (!inputs && saved && (await copyInputs(backup, staged, id, this.#copied))) {
      inputs = saved
      fromBackup.push(basename(staged.inputDirectory(id)))
    }
    const whole = isHere ? await this.#wholeResult(job) : undefined
    let hasResult = whole !== undefined
    if (job.result && !hasResult) {
      hasResult = (await copyResult(backup, staged, job, job.result, this.#copied)) === 'whole'
      if (hasResult) fromBackup.push(basename(staged.resultFile(id, job.attempt)))
    }
    const lost = whatIsLost(job, inputs, hasResult)
    if (lost) plan.lost.push(lost)
    // What is left of a job that is to be Cleaned would be removed at the next start.
    const isNeeded = !lost || !job.isFinal
    if (this.#here.has(id) && (isAnother || !isNeeded)) plan.asideJobs.push(id)
    else if (isHere) await this.#setOthersAside(id, whole)
    if (isNeeded) plan.placed.push(...fromBackup.map((name) => ({ id, name })))
    if (lost) return
    if (fromBackup.length > 0) plan.broughtBack++
    else plan.inPlace++
  }

  /** The name of the result that is here, if it is the job's. */
  async #wholeResult({ id, attempt, result }: KeptJob): Promise<string | undefined> {
    const file = this.#sources.data.resultFile(id, attempt)
    return result && (await checkResult(file, result)) === 'whole' ? basename(file) : undefined
  }

  /** Such as a result that came after the backup, of an attempt that the backup knows nothing of. */
  async #setOthersAside(id: number, result: string | undefined): Promise<void> {
    const inputs = this.#sources.data.inputDirectory(id)
    for (const name of await readdir(dirname(inputs))) {
      if (name === basename(inputs) || name === result) continue
      this.#plan.asideEntries.push({ id, name })
    }
  }
}

function whatIsLost(
  { id, status, isFinal, result }: KeptJob,
  inputs: readonly JobFile[] | undefined,
  hasResult: boolean,
): LostJob | undefined {
  const neither = 'neither in the backup that was restored nor in DATA_PATH'
  if (!isFinal) {
    if (inputs?.some(({ path }) => path === 'run.sh')) return undefined
    return { id, status, isFinal, reason: `its uploaded files were ${neither}; send it again` }
  }
  if (result ? hasResult : inputs) return undefined
  const what = result ? 'its result was' : 'its files were'
  return { id, status, isFinal, reason: `${what} ${neither}` }
}
