/**
 * Cuts the power again and again, at moments that follow from a seed, while applications work; then
 * lets all come to rest, and asks the oracle, and whether what was told is true.
 */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Lab } from '../harness/lab.ts'
import { Ledger } from '../harness/ledger.ts'
import { OracleError, checkOracle } from '../harness/oracle.ts'
import { doorTo } from '../harness/door.ts'
import type { Findings } from '../harness/oracle.ts'
import { apply } from './applications.ts'
import type { Load } from './applications.ts'
import { Random } from '../harness/random.ts'
import { Scene } from './scene.ts'
import type { Side } from './scene.ts'
import { Told } from './told.ts'

/** One boot in so many is cut short before the programs are ready. */
const earlyOneIn = 4

export type Plan = {
  readonly seed: number
  readonly cuts: number
  readonly side: Side
  /** So many upload and look at the same time, each as a user of its own. */
  readonly applications: number
  /** Ends it early. */
  readonly signal?: AbortSignal
}

export type Figures = {
  readonly cuts: number
  /** Of these, so many while the programs started. */
  readonly early: number
  readonly jobs: number
  /** Uploads whose answer was cut off. */
  readonly unanswered: number
  /** Attempts that were lost with the client's machine. */
  readonly lost: number
  /** Scripts that started. */
  readonly scripts: number
  /** So often was something that had been told compared with what was there afterwards. */
  readonly looks: number
}

/**
 * Runs one series.
 *
 * @throws when something was lost, doubled or stuck, or was told and was not true; with everything
 *   that is known of it.
 */
export async function cutPower({ seed, cuts, side, applications, signal }: Plan): Promise<Figures> {
  await using lab = await Lab.create()
  await using scene = await Scene.create(lab, side)
  const random = new Random(seed)
  const told = new Told()
  const ledger = new Ledger(join(lab.directory, 'ledger'))
  await ledger.create()
  const load: Load = { api: doorTo(scene.address), ledger, told, sent: [] }
  const enough = new AbortController()
  const working = Promise.all(
    Array.from({ length: applications }, (_, index) => {
      return apply(load, `user${index}`, new Random(seed * 100 + index), enough.signal)
    }),
  )
  let early = 0
  try {
    await scene.busy()
    for (let count = 1; count <= cuts; count++) {
      await delay(random.between(0, 1_500), undefined, { signal })
      await scene.cut()
      await scene.boot()
      if (count < cuts && random.next() * earlyOneIn < 1) {
        early++
        await delay(random.between(0, 800))
        continue
      }
      await scene.ready()
      if (count < cuts) await scene.busy()
    }
  } finally {
    enough.abort()
    await working
  }
  signal?.throwIfAborted()
  const { jobs, entries } = await ask(scene, load)
  const byId = new Map(jobs.map((job) => [job.id, job]))
  for (const job of jobs) told.see(job)
  told.hearServer(scene.server.lines, byId)
  told.hearClient(scene.client.lines, byId)
  if (told.untrue.length > 0) throw new Error(`told, and not true:\n${told.untrue.join('\n')}`)
  const outcomes = jobs.flatMap(({ attempts }) => attempts.map(({ outcome }) => outcome ?? ''))
  return {
    cuts,
    early,
    jobs: jobs.length,
    unanswered: load.sent.filter(({ answers }) => answers.some((answer) => 'broke' in answer))
      .length,
    lost: outcomes.filter((outcome) => outcome === "its client's machine was restarted").length,
    scripts: entries.filter(({ what }) => what === 'start').length,
    looks: told.looks,
  }
}

/** The oracle, and with what it finds, all that is known of those jobs. */
async function ask(scene: Scene, load: Load): Promise<Findings> {
  try {
    return await checkOracle({ ...load, directories: scene.directories })
  } catch (error) {
    if (!(error instanceof OracleError)) throw error
    const { findings, violations } = error
    const bad = new Set(violations.map(({ job }) => job))
    const said = [...scene.server.lines, ...scene.client.lines].filter(({ job }) => {
      return bad.has(Number(job))
    })
    const known = [...findings.jobs.filter(({ id }) => bad.has(id)), ...said]
    throw new Error([error.message, ...known.map((one) => JSON.stringify(one))].join('\n'), {
      cause: error,
    })
  }
}
