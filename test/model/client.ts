/** What a client and its machine do: `src/client/` and `src/executors/`. */
import type { Ending } from '../../src/domain/job.ts'
import { isFinal } from '../../src/domain/job.ts'
import type { Action, Rules } from './action.ts'
import { answer } from './network.ts'
import { theJob } from './store.ts'
import { Violation, attemptOf, clientOf, jobOf } from './world.ts'
import type { Call, Entry, ModelClient, StoredPayload, StreamEvent, World } from './world.ts'

/** Everything that a client and its scripts could do now. */
export function* clientActions(world: World, at: number, rules: Rules): Generator<Action> {
  const client = theClient(world, at)
  yield* runScripts(client, at, rules)
  if (!client.isUp) {
    yield { name: `client ${at} starts`, run: (next) => recover(next, at, rules) }
    return
  }
  if (world.server.links[at]?.stage === 'asked') {
    yield { name: `client ${at} sends its snapshot`, run: (next) => subscribe(next, at) }
  }
  for (const one of world.calls) {
    if (one.stage !== 'sent' || clientOf(world, one.key) !== at) continue
    yield {
      name: `client ${at} gets: ${one.is} ${one.key}${one.isOrphan ? ', late' : ''}`,
      run: (next) => receive(next, at, one, rules),
    }
    if (world.left.faults > 0 && one.is === 'submit') {
      yield {
        name: `client ${at} gets ${one.key}, and has no room`,
        run: (next) => {
          next.left.faults -= 1
          receive(next, at, one, rules, true)
        },
      }
    }
  }
  for (const { key, isPublished } of client.receiving) {
    yield {
      name: isPublished ? `client ${at} takes ${key}` : `client ${at} stores ${key}`,
      run: (next) => submit(next, at, key),
    }
    const hangs = world.calls.some((one) => one.key === key && one.is === 'submit' && one.isOrphan)
    if (hangs && !isPublished) {
      yield {
        name: `client ${at} gets no more of ${key}`,
        run: (next) => stopReceiving(next, at, key),
      }
    }
  }
  for (const entry of client.table) yield* work(client, entry, at, rules)
}

export function theClient(world: World, at: number): ModelClient {
  const client = world.clients[at]
  if (!client) throw new Error(`there is no client ${at}`)
  return client
}

function entryOf(client: ModelClient, key: string): Entry | undefined {
  return client.table.find((one) => one.key === key)
}

function storedOf(client: ModelClient, key: string): StoredPayload | undefined {
  return client.payloads.find((one) => one.key === key)
}

/** The supervising shells, and the scripts. They need no daemon. */
function* runScripts(client: ModelClient, at: number, rules: Rules): Generator<Action> {
  for (const { key, is } of client.processes) {
    if (is === 'shell') {
      yield {
        name: `a shell of ${key} begins at client ${at}`,
        run: (next) => beginScript(next, at, key, rules),
      }
    }
    if (is !== 'running') continue
    const isKilled = client.isUp && entryOf(client, key)?.kill
    const ends = isKilled ? (['zero', 'signal'] as const) : (['zero', 'other'] as const)
    for (const exit of ends) {
      yield {
        name: `the script of ${key} ends at client ${at} (${exit})`,
        run: (next) => {
          const { processes, payloads } = theClient(next, at)
          removeOne(processes, (one) => one.key === key && one.is === 'running')
          for (const stored of payloads) if (stored.key === key) stored.exit = exit
        },
      }
    }
  }
}

/** The start record is made exclusively: who fails to make it exits. */
function beginScript(world: World, at: number, key: string, rules: Rules): void {
  const client = theClient(world, at)
  const shell = client.processes.find((one) => one.key === key && one.is === 'shell')
  const stored = storedOf(client, key)
  const isFree = stored && (!stored.isStarted || rules.lacks('the start record is exclusive'))
  if (!shell || !stored || !isFree) {
    removeOne(client.processes, (one) => one === shell)
    return
  }
  stored.isStarted = true
  shell.is = 'running'
  world.starts[key] = (world.starts[key] ?? 0) + 1
  if (world.starts[key] > 1) throw new Violation(`the script of ${key} is started twice`)
  if (world.excused.includes(key)) return
  const job = theJob(world, jobOf(key))
  if (isFinal(job.status)) throw new Violation(`${key} starts, and its job is ${job.status}`)
  if (job.attempt !== attemptOf(key)) throw new Violation(`${key} starts, and was given up`)
  for (const other of world.clients.flatMap(({ processes }) => processes)) {
    if (other.is === 'shell' || other.key === key || jobOf(other.key) !== jobOf(key)) continue
    if (!world.excused.includes(other.key)) throw new Violation(`${other.key} runs beside ${key}`)
  }
}

function removeOne<T>(list: T[], which: (one: T) => boolean): void {
  const index = list.findIndex(which)
  if (index >= 0) list.splice(index, 1)
}

/** Snapshot and subscription are one act. */
function subscribe(world: World, at: number): void {
  const link = world.server.links[at]
  if (!link) return
  const payloads = theClient(world, at).table.map((entry) => ({
    key: entry.key,
    status: entry.status,
    end: entry.status === 'Ended' ? entry.packing : null,
  }))
  link.stage = 'open'
  link.events = [{ is: 'snapshot', instance: theClient(world, at).instance, payloads }]
}

function tell(world: World, at: number, event: StreamEvent): void {
  const link = world.server.links[at]
  if (link?.stage === 'open') link.events.push(event)
}

function tellEntry(world: World, at: number, { key, status, packing }: Entry): void {
  const end = status === 'Ended' ? packing : null
  tell(world, at, { is: 'payload', payload: { key, status, end } })
}

/** A request arrives. */
function receive(world: World, at: number, sent: Call, rules: Rules, isFull = false): void {
  const client = theClient(world, at)
  const { is, key } = sent
  const entry = entryOf(client, key)
  const arrived = world.calls.find(
    (one) =>
      one.is === is && one.key === key && one.stage === 'sent' && one.isOrphan === sent.isOrphan,
  )
  if (!arrived) return
  arrived.stage = 'at work'
  switch (is) {
    case 'submit':
      if (entry) return answer(world, is, key, 'accepted')
      if (client.refused.includes(key) || isForAnother(world, client, key, rules)) {
        return answer(world, is, key, 'gone')
      }
      if (client.receiving.some((one) => one.key === key)) {
        // Only this one is answered; the other is at work still.
        arrived.stage = 'answered'
        arrived.answer = 'later'
        if (arrived.isOrphan) removeOne(world.calls, (one) => one === arrived)
        return
      }
      if (isFull) return answer(world, is, key, 'busy')
      client.receiving.push({ key, isPublished: false })
      return
    case 'result':
      return answer(world, is, key, entry?.status === 'Ended' ? 'done' : 'absent')
    case 'forget':
      if (entry?.status === 'Ended') {
        refuse(client, key)
        remove(client, key)
      }
      return answer(world, is, key, 'done')
    case 'kill':
      if (!entry) {
        refuseUnheld(world, at, key)
        return answer(world, is, key, 'unknown')
      }
      kill(client, entry, rules)
      return answer(world, is, key, 'known')
    case 'cancel':
      if (!rules.lacks('a cancelled key is refused')) refuse(client, key)
      if (!entry) {
        if (!rules.lacks('a cancelled key is refused')) refuseUnheld(world, at, key)
        return answer(world, is, key, 'done')
      }
      if (entry.status !== 'Ended') entry.kill ??= 'cancelled'
      // It is answered when nothing of it runs.
      if (entry.status === 'Ended' || (entry.status === 'Prepared' && entry.packing === null)) {
        removeCancelled(world, at, key)
      }
  }
}

function isForAnother({ jobs }: World, client: ModelClient, key: string, rules: Rules): boolean {
  if (rules.lacks('a payload is sent only to the instance that it was meant for')) return false
  return jobs[jobOf(key)]?.meantFor[attemptOf(key) - 1] !== client.instance
}

/** `kill.ts`: first in the table, then on disk, then for real. */
function kill(client: ModelClient, entry: Entry, rules: Rules): void {
  if (entry.status === 'Ended' || entry.kill !== null) return
  entry.kill = 'terminated'
  const stored = storedOf(client, entry.key)
  if (stored) stored.isMarked = true
  if (entry.status === 'Prepared') settle(stored, entry, rules)
}

/** What will not run any more: no shell of an earlier daemon may start it either. */
function settle(stored: StoredPayload | undefined, entry: Entry, rules: Rules): void {
  entry.packing = 'Killed'
  if (stored && !rules.lacks('a killed payload is not started by a late shell')) {
    stored.isStarted = true
  }
}

function refuse({ refused }: ModelClient, key: string): void {
  if (!refused.includes(key)) refused.push(key)
}

/** `refuseUnlessHere`: also for a submission under way. */
function refuseUnheld(world: World, at: number, key: string): void {
  const client = theClient(world, at)
  refuse(client, key)
  if (!client.receiving.some((one) => one.key === key)) return
  stopReceiving(world, at, key)
}

function stopReceiving(world: World, at: number, key: string): void {
  const client = theClient(world, at)
  client.receiving = client.receiving.filter((one) => one.key !== key)
  remove(client, key)
  answer(world, 'submit', key, client.refused.includes(key) ? 'gone' : 'later')
}

function remove(client: ModelClient, key: string): void {
  client.table = client.table.filter((one) => one.key !== key)
  client.payloads = client.payloads.filter((one) => one.key !== key)
}

function removeCancelled(world: World, at: number, key: string): void {
  remove(theClient(world, at), key)
  tell(world, at, { is: 'lost', key })
  answer(world, 'cancel', key, 'done')
}

/** `submit.ts`: durable, then in the table and answered. */
function submit(world: World, at: number, key: string): void {
  const client = theClient(world, at)
  const received = client.receiving.find((one) => one.key === key)
  if (!received) return
  if (!received.isPublished) {
    received.isPublished = true
    client.payloads.push({
      key,
      isStarted: false,
      exit: null,
      isMarked: false,
      isOld: false,
      outcome: null,
    })
    return
  }
  client.receiving = client.receiving.filter((one) => one !== received)
  client.table.push({ key, status: 'Prepared', kill: null, isFollowed: false, packing: null })
  answer(world, 'submit', key, 'accepted')
}

/** `runner.ts` and `pack.ts`. */
function* work(client: ModelClient, entry: Entry, at: number, rules: Rules): Generator<Action> {
  const { key, status, kill: killed, packing } = entry
  const stored = storedOf(client, key)
  if (!stored || status === 'Ended') return
  if (packing !== null) {
    yield {
      name: stored.outcome ? `client ${at} tells the end of ${key}` : `client ${at} packs ${key}`,
      run: (next) => finish(next, at, key),
    }
  } else if (status === 'Prepared') {
    if (killed) return
    yield {
      name: `client ${at} starts ${key}`,
      run: (next) => {
        const starting = theEntry(next, at, key)
        starting.status = 'Running'
        starting.isFollowed = true
        theClient(next, at).processes.push({ key, is: 'shell' })
        tellEntry(next, at, starting)
      },
    }
  } else {
    const left = client.processes.filter((one) => one.key === key)
    const isAtWork = left.some(
      ({ is }) => is === 'running' || (is === 'shell' && !stored.isStarted),
    )
    if (isAtWork) return
    yield {
      name: `client ${at} sees that ${key} has ended`,
      run: (next) => seeEnd(next, at, key, rules),
    }
  }
}

function theEntry(world: World, at: number, key: string): Entry {
  const entry = entryOf(theClient(world, at), key)
  if (!entry) throw new Error(`client ${at} has no ${key}`)
  return entry
}

/** What is left of it is ended first. */
function seeEnd(world: World, at: number, key: string, rules: Rules): void {
  const client = theClient(world, at)
  const entry = theEntry(world, at, key)
  client.processes = client.processes.filter((one) => one.key !== key || one.is === 'shell')
  if (entry.kill === 'cancelled' && client.refused.includes(key)) {
    return removeCancelled(world, at, key)
  }
  const exit = storedOf(client, key)?.exit ?? null
  if (exit === null) {
    if (!rules.lacks('a lost payload is refused')) refuse(client, key)
    remove(client, key)
    tell(world, at, { is: 'lost', key })
    // Who waits for it to be gone is told.
    answer(world, 'cancel', key, 'done')
    return
  }
  entry.packing = endingOf(exit)
}

function endingOf(exit: NonNullable<StoredPayload['exit']>): Ending {
  if (exit === 'signal') return 'Killed'
  return exit === 'zero' ? 'Completed' : 'Failed'
}

/** The result is durable, and then it is told. */
function finish(world: World, at: number, key: string): void {
  const client = theClient(world, at)
  const entry = theEntry(world, at, key)
  const stored = storedOf(client, key)
  if (stored && stored.outcome === null) {
    stored.outcome = entry.packing
    return
  }
  entry.status = 'Ended'
  tellEntry(world, at, entry)
  if (
    world.calls.some((one) => one.is === 'cancel' && one.key === key && one.stage === 'at work')
  ) {
    removeCancelled(world, at, key)
  }
}

/** `recover.ts`: the table anew, from the directories. */
function recover(world: World, at: number, rules: Rules): void {
  const client = theClient(world, at)
  client.isUp = true
  for (const stored of client.payloads.slice()) {
    const { key, isStarted, outcome, isMarked } = stored
    const isGone =
      stored.isOld &&
      outcome === null &&
      !rules.lacks('what was not packed before a power cut is lost')
    if (isGone) refuse(client, key)
    if (client.refused.includes(key)) {
      client.processes = client.processes.filter((one) => one.key !== key || one.is === 'shell')
      remove(client, key)
      continue
    }
    const status = outcome ? 'Ended' : isStarted ? 'Running' : 'Prepared'
    const isFollowed = status === 'Running'
    const entry: Entry = { key, status, kill: null, isFollowed, packing: outcome }
    client.table.push(entry)
    if (outcome || !isMarked) continue
    entry.kill = 'terminated'
    if (!isStarted) settle(stored, entry, rules)
  }
}
