/**
 * Where earlier processes of this client made cgroups: one that is started by hand, and later by a
 * service manager, is in another cgroup then, and what it started stays where it is.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { childrenOf } from './trees.ts'
import type { Trees, V1Controller } from './trees.ts'

/** As it is written. */
type Written = { readonly v2?: string; readonly v1: { readonly [C in V1Controller]?: string } }

/**
 * Where else than in these there may be cgroups of ours.
 *
 * @param file in which it was noted.
 * @param prefix with which the names of our cgroups begin.
 */
export function readEarlier(file: string, trees: Trees, prefix: string): Trees[] {
  const now = JSON.stringify(write(trees))
  return readNoted(file)
    .filter((one) => JSON.stringify(one) !== now)
    .filter((one) =>
      placesOf(one)
        .flatMap(childrenOf)
        .some((name) => name.startsWith(prefix)),
    )
    .map(read)
}

/**
 * Notes where there are cgroups of ours, or will be.
 *
 * @throws errors of the system.
 */
export function noteTrees(file: string, trees: readonly Trees[]): void {
  const text = JSON.stringify(trees.map(write).filter((one) => placesOf(one).length > 0))
  // On a full disk a client can be started again.
  if (text === JSON.stringify(readNoted(file))) return
  writeFileSync(`${file}.part`, text)
  renameSync(`${file}.part`, file)
}

/** What is not there, or only half after a power cut, tells of nothing that there is still. */
function readNoted(file: string): Written[] {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Written[]
  } catch {
    return []
  }
}

function placesOf({ v1, v2 }: Written): string[] {
  return [...Object.values(v1), ...(v2 === undefined ? [] : [v2])]
}

function write({ v1, v2 }: Trees): Written {
  return { ...(v2 && { v2: v2.parent }), v1: Object.fromEntries(v1) }
}

/** What bounds others there is not asked any more. */
function read({ v1, v2 }: Written): Trees {
  return {
    v2: v2 === undefined ? undefined : { parent: v2, controllers: new Set() },
    v1: new Map(Object.entries(v1) as [V1Controller, string][]),
  }
}
