/** What may go wrong, one fault at a time. */
import type { Action } from './action.ts'
import { theClient } from './client.ts'
import { claim, learn } from './store.ts'
import { begin, breakOff, breakStream } from './server.ts'
import { clientOf, keyOf, newLink } from './world.ts'
import type { Call, World } from './world.ts'
import { isActive } from '../../src/domain/job.ts'

export const faultKinds = [
  'server crash',
  'client crash',
  'power cut',
  'data loss',
  'shell killed',
  'call broken',
  'stream broken',
  'client lost',
] as const
export type FaultKind = (typeof faultKinds)[number]

/** Every fault that may come now. */
export function* faults(world: World, kinds: ReadonlySet<FaultKind>): Generator<Action> {
  if (world.left.faults <= 0) return
  for (const action of possible(world, kinds)) {
    yield {
      name: action.name,
      run: (next) => {
        next.left.faults -= 1
        action.run(next)
      },
    }
  }
}

function* possible(world: World, kinds: ReadonlySet<FaultKind>): Generator<Action> {
  const { server } = world
  if (kinds.has('server crash') && server.isUp) {
    yield { name: 'FAULT: the server dies', run: crashServer }
  }
  for (const [at, client] of world.clients.entries()) {
    if (kinds.has('client crash') && client.isUp) {
      yield { name: `FAULT: client ${at} dies`, run: (next) => crashClient(next, at) }
    }
    if (kinds.has('power cut')) {
      for (const isKept of [true, false]) {
        const what = isKept ? 'all was flushed' : 'nothing more than had to be was flushed'
        yield {
          name: `FAULT: client ${at}'s machine loses power, ${what}`,
          run: (next) => cutPower(next, at, isKept),
        }
      }
    }
    if (kinds.has('data loss') && client.payloads.length + client.refused.length > 0) {
      yield { name: `FAULT: client ${at} loses its data`, run: (next) => loseData(next, at) }
    }
    if (kinds.has('stream broken') && server.links[at]?.stage !== 'off') {
      yield {
        name: `FAULT: the stream of client ${at} breaks`,
        run: (next) => breakStream(next, at),
      }
    }
    if (!kinds.has('shell killed')) continue
    for (const { key, is } of client.processes) {
      if (is !== 'running') continue
      yield {
        name: `FAULT: the shell of ${key} is killed, its script is not`,
        run: (next) => {
          const process = theClient(next, at).processes.find(
            (one) => one.key === key && one.is === 'running',
          )
          if (process) process.is = 'orphan'
        },
      }
    }
  }
  if (kinds.has('call broken')) yield* breakCalls(world)
  if (kinds.has('client lost')) yield* moves(world)
}

/** Its volatile state is gone; what it had sent may still arrive. */
function crashServer(world: World): void {
  const { server } = world
  server.isUp = false
  for (const at of server.links.keys()) server.links[at] = newLink()
  server.sendings = []
  server.pursuits = []
  server.fetches = []
  server.errands = []
  world.calls = world.calls.filter(({ stage }) => stage !== 'answered')
  for (const call of world.calls) call.isOrphan = true
}

/** Scripts go on; connections break, and what is on its way to it does not arrive any more. */
function crashClient(world: World, at: number): void {
  const client = theClient(world, at)
  client.isUp = false
  client.table = []
  client.receiving = []
  breakStream(world, at)
  for (const call of world.calls.slice()) {
    if (clientOf(world, call.key) !== at || call.stage === 'answered') continue
    if (!call.isOrphan) hear(world, call)
    if (!call.isOrphan || call.stage === 'at work') drop(world, call)
  }
}

/** Nothing runs any more, and of what was not flushed nothing need be there. */
function cutPower(world: World, at: number, isKept: boolean): void {
  crashClient(world, at)
  const client = theClient(world, at)
  client.processes = []
  for (const stored of client.payloads) stored.isOld = true
  // No request outlives that.
  world.calls = world.calls.filter(
    (call) => clientOf(world, call.key) !== at || call.stage === 'answered',
  )
  if (isKept) return
  for (const stored of client.payloads) {
    stored.isStarted = false
    stored.exit = null
  }
}

/** All that it knew is gone, and so are its scripts. */
function loseData(world: World, at: number): void {
  crashClient(world, at)
  const client = theClient(world, at)
  client.processes = []
  client.instance += 1
  client.payloads = []
  client.refused = []
}

/** Who made a call gives it up. Its request may arrive later, and what is being received go on. */
function* breakCalls({ calls }: World): Generator<Action> {
  for (const [index, { is, key, stage, isOrphan }] of calls.entries()) {
    if (isOrphan) continue
    const breakIt = (next: World, isLost: boolean) => {
      const call = next.calls[index]
      if (!call) return
      hear(next, call)
      if (isLost || call.stage === 'answered') drop(next, call)
      else call.isOrphan = true
    }
    const name = `FAULT: the call to ${is} ${key} breaks`
    yield { name: `${name} (${stage})`, run: (next) => breakIt(next, false) }
    if (stage === 'sent') {
      yield { name: `${name}, it never arrives`, run: (next) => breakIt(next, true) }
    }
  }
}

/** Who made the call hears that it broke; all but a sending simply make it again. */
function hear(world: World, { is, key }: Call): void {
  const sending = world.server.sendings.find((one) => one.key === key)
  if (!sending || is !== (sending.isRefused ? 'cancel' : 'submit')) return
  sending.mayHaveArrived = true
  sending.isRefused = false
  sending.waits = false
}

function drop(world: World, call: Call): void {
  world.calls = world.calls.filter((one) => one !== call)
}

/** A client was silent for CLIENT_LOST_AFTER, and another one takes its job. */
function* moves({ jobs, server }: World): Generator<Action> {
  if (!server.isUp) return
  for (const [id, { status, attempt, isMarked, at }] of jobs.entries()) {
    const from = at[attempt - 1]
    if (!isActive(status) || from === undefined || server.links[from]?.isHealthy) continue
    for (const [to, link] of server.links.entries()) {
      if (!link.isHealthy) continue
      yield {
        name: `FAULT: client ${from} is silent for too long, job ${id} moves to client ${to}`,
        run: (next) => move(next, id, attempt, isMarked ? null : to),
      }
    }
  }
}

/** `Relocator`: what is being sent is broken off, and then one transaction does it all. */
function move(world: World, id: number, attempt: number, to: number | null): void {
  const key = keyOf(id, attempt)
  world.excused.push(key)
  breakOff(world, key)
  learn(world, id, { is: 'client lost', attempt, reason: '' })
  if (to !== null) begin(world, claim(world, id, to), false)
}
