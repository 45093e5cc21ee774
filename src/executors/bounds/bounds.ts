/**
 * What bounds scripts on this machine: by cgroups where this client may make them, by rlimits, and,
 * for what neither does, by looking again and again.
 *
 * What was decided for a payload is noted beside it, so that the next process of ours knows it.
 */
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fromEach, limitNames } from '../../domain/limits.ts'
import type { LimitName, LimitValues, Limits } from '../../domain/limits.ts'
import type { EnforcedLimits, Enforcement, Means } from '../../domain/usage.ts'
import type { PayloadPaths } from '../../files/payload-files.ts'
import { readIfThere } from '../../files/read.ts'
import { Cgroups, cgroupsOf, meansIn } from './cgroups.ts'
import type { CgroupPaths } from './cgroups.ts'
import { noteTrees, readEarlier } from './earlier-trees.ts'
import { PayloadBounds } from './payload-bounds.ts'
import { shellText } from './shell-text.ts'
import { childrenOf, findTrees, noTrees } from './trees.ts'
import type { Trees, V1Controller } from './trees.ts'

/** A payload. */
type Begun = { readonly id: number; readonly paths: PayloadPaths; readonly limits: Limits }

/** `bounds.json` of a payload. */
type Noted = {
  readonly limits: EnforcedLimits
  readonly cgroups: CgroupPaths
  readonly endedBy: Enforcement['end']
}

/** Where there is no cgroup. */
const otherwise: Enforcement = {
  memoryBytes: 'watching',
  cpuTimeMs: 'watching',
  processes: 'watching',
  openFiles: 'rlimit',
  fileSizeBytes: 'rlimit',
  diskBytes: 'watching',
  outputBytes: 'watching',
  end: 'session',
}

export class Bounds {
  /** By what each limit is enforced here. */
  readonly enforcement: Enforcement
  readonly #trees: Trees
  /** These, and where there may be cgroups of earlier processes of ours. */
  readonly #allTrees: readonly Trees[]
  readonly #noteFile: string
  readonly #prefix: string

  /**
   * @param dataPath the client's, which nobody else uses.
   * @param mayUseCgroups whether the operator wants that.
   */
  constructor(dataPath: string, mayUseCgroups: boolean) {
    const hash = createHash('sha256').update(dataPath).digest('hex').slice(0, 8)
    this.#prefix = `job-orchestrator.${hash}.`
    this.#trees = mayUseCgroups ? findTrees(this.#prefix) : noTrees
    this.#noteFile = join(dataPath, 'payloads/cgroups.json')
    const earlier = readEarlier(this.#noteFile, this.#trees, this.#prefix)
    this.#allTrees = [this.#trees, ...earlier]
    this.enforcement = { ...otherwise, ...meansIn(this.#trees) }
  }

  /**
   * Notes for the next process where cgroups are made; to be called before any is.
   *
   * @throws Fault `no_space`, `broken_disk`; other errors of the system.
   */
  async noteTrees(): Promise<void> {
    await noteTrees(this.#noteFile, this.#allTrees)
  }

  /**
   * Makes what bounds a script that is to be started.
   *
   * @param ownProcesses so many are ours, and run beside the script.
   * @returns also what its supervising shell has to do.
   * @throws errors of the system.
   */
  begin(
    { id, paths, limits }: Begun,
    ownProcesses: number,
  ): { bounds: PayloadBounds; text: string } {
    const { end: endedBy } = this.enforcement
    const enforced = fromEach((name) => {
      const limit = limits[name]
      return limit && { ...limit, by: this.enforcement[name] }
    })
    const ofCgroups = valuesOf(enforced, (by) => by.startsWith('cgroup'))
    const { processes } = ofCgroups
    const counted = processes === undefined ? {} : { processes: processes + ownProcesses }
    const cgroups = this.#make(id, { ...ofCgroups, ...counted })
    if (Object.keys(enforced).length > 0) {
      const noted: Noted = { limits: enforced, cgroups: cgroups.paths, endedBy }
      writeFileSync(paths.bounds, JSON.stringify(noted))
    }
    const bounds = new PayloadBounds(paths, enforced, cgroups, endedBy)
    return { bounds, text: shellText(cgroups.directories, valuesOf(enforced)) }
  }

  /** What bounds a script that an earlier process of ours started. */
  resume({ id, paths }: Pick<Begun, 'id' | 'paths'>): PayloadBounds {
    const noted = readNoted(paths.bounds)
    const cgroups = noted ? new Cgroups(noted.cgroups) : this.#find(id)
    const endedBy = noted?.endedBy ?? this.enforcement.end
    return new PayloadBounds(paths, noted?.limits ?? {}, cgroups, endedBy)
  }

  /** The cgroups of a payload of which nothing was noted. */
  #find(id: number): Cgroups {
    const of = (trees: Trees) => cgroupsOf(trees, `${this.#prefix}${id}`)
    return of(this.#allTrees.find((trees) => of(trees).areThere) ?? this.#trees)
  }

  /** What has no limits runs without cgroups, too, where none can be made just now. */
  #make(id: number, limits: LimitValues): Cgroups {
    const cgroups = cgroupsOf(this.#trees, `${this.#prefix}${id}`, limits)
    try {
      cgroups.make(limits)
      return cgroups
    } catch (error) {
      cgroups.removeNow()
      if (Object.keys(limits).length > 0) throw error
      return new Cgroups({})
    }
  }

  /**
   * Ends and removes what earlier processes of ours have left of payloads that have ended.
   *
   * @returns how many cgroups could not be removed.
   */
  async removeLeft(isWanted: (id: number) => boolean): Promise<number> {
    let stuck = 0
    for (const [controller, parent] of this.#allTrees.flatMap(parentsIn)) {
      for (const name of childrenOf(parent)) {
        const id = name.startsWith(this.#prefix) ? name.slice(this.#prefix.length) : ''
        if (!/^\d+$/.test(id) || isWanted(Number(id))) continue
        const directory = join(parent, name)
        const paths = controller === 'v2' ? { v2: directory } : { v1: { [controller]: directory } }
        if (!(await new Cgroups(paths).end())) stuck++
      }
    }
    return stuck
  }
}

function valuesOf(
  limits: EnforcedLimits,
  isMeant: (by: Means) => boolean = () => true,
): LimitValues {
  return fromEach((name: LimitName) => {
    const limit = limits[name]
    return limit && isMeant(limit.by) ? limit.most : undefined
  })
}

/** `undefined` where there are no limits. */
function readNoted(file: string): Noted | undefined {
  const text = readIfThere(file)
  return text === undefined ? undefined : (JSON.parse(text) as Noted)
}

function parentsIn({ v1, v2 }: Trees): (readonly [V1Controller | 'v2', string])[] {
  return [...v1, ...(v2 ? [['v2', v2.parent] as const] : [])]
}

/** What is enforced on a machine, and what is lost, in words. */
export function describeEnforcement(enforcement: Enforcement): string {
  const byMeans = Map.groupBy(limitNames, (name) => enforcement[name])
  const limits = [...byMeans].map(([means, names]) => `${names.join(', ')} by ${means}`)
  const end =
    enforcement.end === 'session'
      ? 'processes that leave their session and clear their environment outlive their script'
      : `all that a script started ends with it, by ${enforcement.end}`
  return `limits: ${limits.join('; ')}; ${end}`
}
