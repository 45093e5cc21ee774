/** Tries orders: all of them, those with the fewest steps first, or some at random. */
import { isFinal } from '../../src/domain/job.ts'
import type { Action, Rules } from './action.ts'
import { clientActions } from './client.ts'
import { faults } from './faults.ts'
import type { FaultKind } from './faults.ts'
import { serverActions } from './server.ts'
import { Violation, copyOf, newWorld } from './world.ts'
import type { Rule, World, WorldOptions } from './world.ts'

export type Exploration = {
  readonly world: WorldOptions
  readonly faults: readonly FaultKind[]
  readonly lacks?: readonly Rule[]
}

export type Found = {
  readonly states: number
  readonly steps: number
  /** Worlds in which nothing is left to be done. */
  readonly ends: number
  /** Whether nothing is left that was not looked at. */
  readonly isWhole: boolean
  /** What must not be, and the steps to it. */
  readonly violation?: { readonly message: string; readonly trace: readonly string[] }
}

function prepare({ faults: kinds, lacks = [] }: Exploration) {
  const rules: Rules = { lacks: (rule) => lacks.includes(rule) }
  const allowed = new Set(kinds)
  const deeds = (world: World): Action[] => {
    const actions = [...serverActions(world, rules)]
    for (const at of world.clients.keys()) actions.push(...clientActions(world, at, rules))
    return actions
  }
  return { deeds, faultsOf: (world: World) => [...faults(world, allowed)] }
}

/** @param mostStates looks at no more of them. */
export function exploreAll(exploration: Exploration, mostStates: number): Found {
  const { deeds, faultsOf } = prepare(exploration)
  const first = newWorld(exploration.world)
  const seen = new Set([hash(write(first))])
  const names: string[] = ['']
  const parents: number[] = [-1]
  let frontier: { readonly at: number; readonly world: World }[] = [{ at: 0, world: first }]
  let steps = 0
  let ends = 0
  const traceOf = (at: number): string[] => {
    const trace: string[] = []
    for (let step = at; step > 0; step = parents[step] ?? 0) trace.unshift(names[step] ?? '')
    return trace
  }
  const found = () => ({ states: names.length, steps, ends })
  while (frontier.length > 0) {
    const next: typeof frontier = []
    for (const { at, world } of frontier) {
      const toDo = deeds(world)
      if (toDo.length === 0) ends++
      const wrong = toDo.length === 0 ? whatIsLeft(world) : undefined
      if (wrong) {
        return { ...found(), isWhole: false, violation: { message: wrong, trace: traceOf(at) } }
      }
      for (const { name, run } of [...toDo, ...faultsOf(world)]) {
        const copy = copyOf(world)
        steps++
        try {
          run(copy)
        } catch (error) {
          if (!(error instanceof Violation)) throw error
          const { message } = error
          const trace = [...traceOf(at), name]
          return { ...found(), isWhole: false, violation: { message, trace } }
        }
        const mark = hash(write(copy))
        if (seen.has(mark)) continue
        seen.add(mark)
        names.push(name)
        parents.push(at)
        next.push({ at: names.length - 1, world: copy })
      }
      if (names.length >= mostStates) return { ...found(), isWhole: false }
    }
    frontier = next
  }
  return { ...found(), isWhole: true }
}

/**
 * One long run: steps by lot, and then, when no fault is left, on until nothing is to be done.
 *
 * @param faultShare how often a fault comes where one may.
 */
export function exploreOne(
  exploration: Exploration,
  random: () => number,
  faultShare: number,
): Found {
  const { deeds, faultsOf } = prepare(exploration)
  const world = newWorld(exploration.world)
  const trace: string[] = []
  const found = (message?: string): Found => ({
    states: trace.length,
    steps: trace.length,
    ends: 1,
    isWhole: false,
    ...(message !== undefined && { violation: { message, trace } }),
  })
  for (let step = 0; step < mostSteps; step++) {
    const toDo = deeds(world)
    const troubles = random() < faultShare ? faultsOf(world) : []
    const offered = troubles.length > 0 ? troubles : toDo
    if (offered.length === 0) return found(whatIsLeft(world))
    const action = offered[Math.floor(random() * offered.length)]
    if (!action) break
    trace.push(action.name)
    try {
      action.run(world)
    } catch (error) {
      if (error instanceof Violation) return found(error.message)
      throw error
    }
  }
  return found(`it goes on for more than ${mostSteps} steps`)
}

const mostSteps = 5_000

/** What is wrong with a world in which nothing is left to be done. */
function whatIsLeft({ jobs, server, clients, calls }: World): string | undefined {
  for (const [id, job] of jobs.entries()) {
    if (!isFinal(job.status)) return `job ${id} is ${job.status} for ever`
    if (job.status === 'Completed' && job.result?.end !== 'Completed')
      return `job ${id} has no result`
  }
  const held = { ...server, links: [], isUp: false }
  for (const [what, list] of Object.entries(held)) {
    if (Array.isArray(list) && list.length > 0) return `the server has ${what} left: ${write(list)}`
  }
  for (const [at, { payloads, table, processes, receiving }] of clients.entries()) {
    const left = [...payloads, ...table, ...processes, ...receiving]
    if (left.length > 0) return `client ${at} has something left: ${write(left)}`
  }
  return calls.length > 0 ? `calls are left: ${write(calls)}` : undefined
}

/** The same text for the same world. */
function write(value: unknown): string {
  return JSON.stringify(value)
}

/** 52 bits: among a million states two are taken for one another once in ten thousand runs. */
function hash(text: string): number {
  let high = 0xdeadbeef
  let low = 0x41c6ce57
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    high = Math.imul(high ^ code, 2654435761)
    low = Math.imul(low ^ code, 1597334677)
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909)
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909)
  return 2 ** 32 * (0xfffff & low) + (high >>> 0)
}
