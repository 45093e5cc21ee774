/**
 * Where earlier processes of this client made cgroups: one that is started by hand, and later by a
 * service manager, is in another cgroup then, and what it started stays where it is.
 */
import { readFileSync } from 'node:fs'
import { writeDurably } from '../../files/durable.ts'
import { Cgroups } from './cgroups.ts'
import type { CgroupPaths } from './cgroups.ts'
import { childrenOf } from './trees.ts'
import type { Trees, V1Controller } from './trees.ts'

/**
 * Where else than in these there may be cgroups of ours.
 *
 * @param file in which it was noted.
 * @param prefix with which the names of our cgroups begin.
 */
export function readEarlier(file: string, trees: Trees, prefix: string): Trees[] {
  const now = JSON.stringify(write(trees))
  const isOurs = (name: string) => name.startsWith(prefix)
  return readNoted(file)
    .filter((one) => JSON.stringify(one) !== now)
    .filter((one) => new Cgroups(one).directories.flatMap(childrenOf).some(isOurs))
    .map(read)
}

/**
 * Notes where there are cgroups of ours, or will be.
 *
 * @throws Fault `no_space`, `broken_disk`; other errors of the system.
 */
export async function noteTrees(file: string, trees: readonly Trees[]): Promise<void> {
  const places = trees.map(write).filter((one) => new Cgroups(one).directories.length > 0)
  const text = JSON.stringify(places)
  // On a full disk a client can be started again.
  if (text === JSON.stringify(readNoted(file))) return
  await writeDurably(file, text)
}

/** What cannot be read tells of nothing that there is still. */
function readNoted(file: string): CgroupPaths[] {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as CgroupPaths[]
  } catch {
    return []
  }
}

/** As it is noted: where cgroups are made, in the place of one. */
function write({ v1, v2 }: Trees): CgroupPaths {
  return { ...(v2 && { v2: v2.parent }), v1: Object.fromEntries(v1) }
}

/** What bounds others there is not asked any more. */
function read({ v1 = {}, v2 }: CgroupPaths): Trees {
  return {
    v2: v2 === undefined ? undefined : { parent: v2, controllers: new Set() },
    v1: new Map(Object.entries(v1) as [V1Controller, string][]),
  }
}
