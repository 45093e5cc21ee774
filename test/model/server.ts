/** What the server does: sender, links, reconciler, getter and terminator of `src/server/`. */
import { isActive, isFinal } from '../../src/domain/job.ts'
import type { Action, Rules } from './action.ts'
import { answerOf, call, hangUp, isCalled } from './network.ts'
import { claim, ended, isWanted, learn, theJob } from './store.ts'
import { Violation, attemptOf, clientOf, jobOf, keyOf, newLink } from './world.ts'
import type { Call, Errand, Fetch, Link, Sending, StreamEvent, World } from './world.ts'

const receipt = { payloadId: 1, instance: 'a' }

/** Everything that the server could do now. */
export function* serverActions(world: World, rules: Rules): Generator<Action> {
  const { server, clients } = world
  if (!server.isUp) {
    yield { name: 'the server starts', run: (next) => start(next, rules) }
    return
  }
  yield* give(world)
  for (const sending of server.sendings) yield* send(world, sending, rules)
  for (const [at, link] of server.links.entries()) {
    yield* listen(link, at, clients[at]?.isUp ?? false, rules)
  }
  for (const fetch of server.fetches) yield* get(world, fetch, rules)
  for (const errand of server.errands) yield* go(world, errand)
  for (const { key } of server.pursuits) yield* pursue(world, key, rules)
  if (world.left.terminations > 0) yield* terminate(world)
}

/** What was under way goes on: `src/cli/server.ts`. */
function start(world: World, rules: Rules): void {
  world.server.isUp = true
  if (rules.lacks('a sending is resumed')) return
  for (const [id, { status, attempt }] of world.jobs.entries()) {
    if (status === 'Processing') begin(world, keyOf(id, attempt), true)
  }
}

/** The sending of an attempt begins. */
export function begin(world: World, key: string, mayHaveArrived: boolean): void {
  world.server.sendings.push({
    key,
    mayHaveArrived,
    waits: false,
    isRefused: false,
    isOvertaken: false,
  })
}

/** `Sender.#sendService`, with any client that it might choose. */
function* give({ jobs, server }: World): Generator<Action> {
  for (const [id, { status }] of jobs.entries()) {
    if (status !== 'Queued') continue
    let isFreshTried = false
    for (const [at, { isHealthy }] of server.links.entries()) {
      const isFresh = !jobs.some((job) => job.at.includes(at))
      // Of clients that never had anything one is like the other.
      if (!isHealthy || (isFresh && isFreshTried)) continue
      isFreshTried ||= isFresh
      yield {
        name: `job ${id} is given to client ${at}`,
        run: (next) => begin(next, claim(next, id, at), false),
      }
    }
  }
}

/** `Sender.#persist` and `#try`. */
function* send(world: World, sending: Sending, rules: Rules): Generator<Action> {
  const { key, mayHaveArrived } = sending
  const at = clientOf(world, key)
  const client = world.clients[at]
  const isReachable = world.server.links[at]?.isHealthy ?? false
  const is = sending.isRefused ? 'cancel' : 'submit'
  const answer = answerOf(world, is, key)
  if (answer !== undefined) {
    yield { name: `the sending of ${key} hears "${answer}"`, run: (next) => hear(next, key, rules) }
  } else if (!isCalled(world, is, key)) {
    if (mayHaveArrived && !isReachable) return
    const isComing = client?.receiving.some((one) => one.key === key) ?? false
    if (sending.waits && isComing) return
    yield {
      name: `${key} is sent (${is})`,
      run: (next) => trySending(next, key, is, rules),
    }
    if (world.left.faults > 0 && is === 'submit') {
      yield {
        name: `${key} is sent, and its client cannot be reached`,
        run: (next) => {
          next.left.faults -= 1
          notReached(next, key, rules)
        },
      }
    }
  }
}

function trySending(world: World, key: string, is: 'cancel' | 'submit', rules: Rules): void {
  const isOpen = world.server.links[clientOf(world, key)]?.isHealthy ?? false
  theSending(world, key).isOvertaken = !isOpen
  const job = theJob(world, jobOf(key))
  const isStill = job.status === 'Processing' && job.attempt === attemptOf(key) && !job.isMarked
  if (!isStill) return endSending(world, key)
  if (theSending(world, key).mayHaveArrived && !isSameInstance(world, key)) {
    learn(world, jobOf(key), { is: 'unanswered', attempt: attemptOf(key), reason: '' })
    return endSending(world, key)
  }
  if (world.clients[clientOf(world, key)]?.isUp) call(world, is, key)
  else notReached(world, key, rules)
}

/** Another instance cannot know what came to the one before it. */
function isSameInstance(world: World, key: string): boolean {
  const { meantFor } = theJob(world, jobOf(key))
  return meantFor[attemptOf(key) - 1] === world.server.links[clientOf(world, key)]?.instance
}

/** It never arrived, but an earlier one may have. */
function notReached(world: World, key: string, rules: Rules): void {
  const sending = theSending(world, key)
  sending.isRefused = false
  if (sending.mayHaveArrived && !rules.lacks('a refusal does not speak for earlier sendings'))
    return
  undelivered(world, key)
  endSending(world, key)
}

function hear(world: World, key: string, rules: Rules): void {
  const sending = theSending(world, key)
  const answer = hangUp(world, sending.isRefused ? 'cancel' : 'submit', key)
  if (answer === 'later') {
    sending.mayHaveArrived = true
    sending.waits = true
    return
  }
  if (answer === 'busy' && sending.mayHaveArrived) {
    if (!rules.lacks('a refusal does not speak for earlier sendings')) {
      sending.isRefused = true
      return
    }
  }
  if (answer === 'accepted') {
    learn(world, jobOf(key), { is: 'accepted', attempt: attemptOf(key), ...receipt })
    // It may have been lost before the stream that would tell so began.
    if (
      sending.isOvertaken &&
      !rules.lacks('an answer that a new stream overtook is looked into')
    ) {
      breakStream(world, clientOf(world, key))
    }
  } else undelivered(world, key)
  endSending(world, key)
}

/** The event stream to a client is over. */
export function breakStream({ server }: World, at: number): void {
  server.links[at] = newLink(server.links[at]?.instance)
}

function undelivered(world: World, key: string): void {
  const fact = { is: 'undelivered', attempt: attemptOf(key), reason: '', retryAtMs: null } as const
  learn(world, jobOf(key), fact)
}

function theSending(world: World, key: string): Sending {
  const sending = world.server.sendings.find((one) => one.key === key)
  if (!sending) throw new Error(`nothing is sent under ${key}`)
  return sending
}

function endSending(world: World, key: string): void {
  world.server.sendings = world.server.sendings.filter((one) => one.key !== key)
}

/** `ClientLink.#listen`. */
function* listen(link: Link, at: number, isUp: boolean, rules: Rules): Generator<Action> {
  if (link.stage === 'off') {
    if (!isUp) return
    yield {
      name: `the server asks client ${at} for its events`,
      run: (next) => {
        for (const sending of next.server.sendings) {
          if (clientOf(next, sending.key) === at) sending.isOvertaken = true
        }
        const held = next.jobs.entries().filter(([, job]) => isActive(job.status))
        next.server.links[at] = {
          ...newLink(link.instance),
          stage: 'asked',
          expected: held
            .filter(([, { status }]) => status !== 'Processing' || rules.lacks(wrongExpectation))
            .map(([id, { attempt }]) => keyOf(id, attempt))
            .filter((key) => clientOf(next, key) === at)
            .toArray(),
        }
      },
    }
  }
  const [event] = link.events
  if (!event) return
  yield {
    name: `the server reads of client ${at}: ${sayEvent(event)}`,
    run: (next) => {
      const read = next.server.links[at]?.events.shift()
      if (read) handle(next, at, read, rules)
    },
  }
}

const wrongExpectation = 'absence is a loss only of what was accepted before'

function sayEvent(event: StreamEvent): string {
  if (event.is === 'lost') return `${event.key} is lost`
  const payloads = event.is === 'snapshot' ? event.payloads : [event.payload]
  return `${event.is} ${payloads.map(({ key, status }) => `${key} ${status}`).join(', ')}`
}

/** `Reconciler`. */
function handle(world: World, at: number, event: StreamEvent, rules: Rules): void {
  if (event.is === 'payload') return onPayload(world, event.payload, rules)
  if (event.is === 'lost') return lose(world, event.key, rules)
  const link = world.server.links[at]
  if (!link) return
  link.isHealthy = true
  link.instance = event.instance
  for (const payload of event.payloads) onPayload(world, payload, rules)
  const present = new Set(event.payloads.map(({ key }) => key))
  for (const key of link.expected) {
    if (!present.has(key)) lose(world, key, rules)
  }
  if (rules.lacks('marked jobs are looked for in snapshots')) return
  for (const [id, { status, attempt, isMarked, at: clients }] of world.jobs.entries()) {
    if (!isMarked || !isActive(status) || clients[attempt - 1] !== at) continue
    addPursuit(world, keyOf(id, attempt))
  }
}

/** It may be told before the answer to `/submit` is heard. */
function lose(world: World, key: string, rules: Rules): void {
  learn(world, jobOf(key), { is: 'lost', attempt: attemptOf(key), reason: '' })
  if (rules.lacks('a loss counts before the acceptance, too')) return
  learn(world, jobOf(key), { is: 'unanswered', attempt: attemptOf(key), reason: '' })
}

function onPayload(
  world: World,
  { key, status, end }: Extract<StreamEvent, { is: 'payload' }>['payload'],
  rules: Rules,
): void {
  const job = theJob(world, jobOf(key))
  const attempt = attemptOf(key)
  if (isFinal(job.status) || job.attempt !== attempt) {
    const isStored = isFinal(job.status) && job.attempt === attempt
    if (isStored && status === 'Ended') return addErrand(world, { is: 'forget', key })
    if (!rules.lacks('a stale payload is cancelled')) addErrand(world, { is: 'cancel', key })
    return
  }
  if (end !== null) {
    const known = world.server.fetches.find((fetch) => fetch.key === key)
    if (known) known.rests = false
    else world.server.fetches.push({ key, end, rests: false })
    return
  }
  const is = status === 'Running' ? 'started' : 'accepted'
  learn(world, jobOf(key), { is, attempt, ...receipt })
}

function addErrand(world: World, errand: Errand): void {
  const { errands } = world.server
  if (!errands.some(({ is, key }) => is === errand.is && key === errand.key)) errands.push(errand)
}

function addPursuit(world: World, key: string): void {
  const known = world.server.pursuits.find((one) => one.key === key)
  if (known) known.isAgain = true
  else world.server.pursuits.push({ key, isAgain: false })
}

/** `Getter.#fetch`. */
function* get(world: World, { key, rests }: Fetch, rules: Rules): Generator<Action> {
  const answer = answerOf(world, 'result', key)
  if (answer !== undefined) {
    yield { name: `the getter hears "${answer}" of ${key}`, run: (next) => got(next, key) }
    return
  }
  if (isCalled(world, 'result', key)) return
  const isOver = !isWanted(world, key)
  if (!isOver && (rests || !world.clients[clientOf(world, key)]?.isUp)) return
  yield {
    name: isOver
      ? `the result of ${key} is not wanted any more`
      : `the result of ${key} is asked for`,
    run: (next) => {
      if (!isOver) return call(next, 'result', key)
      endFetch(next, key)
      // Its client would keep it for a server that never asks again.
      if (!rules.lacks('what need not be fetched is forgotten')) {
        addErrand(next, { is: 'forget', key })
      }
    },
  }
}

function got(world: World, key: string): void {
  const fetch = world.server.fetches.find((one) => one.key === key)
  const answer = hangUp(world, 'result', key)
  if (!fetch) return
  if (answer !== 'done') {
    fetch.rests = true
    return
  }
  const id = jobOf(key)
  const job = theJob(world, id)
  const before = job.status
  learn(world, id, ended(attemptOf(key), fetch.end))
  if (isFinal(job.status) && !isFinal(before)) job.result = { key, end: fetch.end }
  if (job.status === 'Completed' && job.result?.key !== keyOf(id, job.attempt)) {
    throw new Violation(`job ${id} is Completed by the result of ${job.result?.key}`)
  }
  endFetch(world, key)
  addErrand(world, { is: 'forget', key })
}

function endFetch(world: World, key: string): void {
  world.server.fetches = world.server.fetches.filter((one) => one.key !== key)
}

/** Calls that are made until they succeed, or their client's next snapshot brings them up again. */
function* go(world: World, { is, key }: Errand): Generator<Action> {
  if (answerOf(world, is, key) !== undefined) {
    yield {
      name: `the server hears that ${key} is done with (${is})`,
      run: (next) => {
        hangUp(next, is, key)
        next.server.errands = next.server.errands.filter((one) => one.is !== is || one.key !== key)
      },
    }
  } else if (!isCalled(world, is, key) && world.clients[clientOf(world, key)]?.isUp) {
    yield { name: `the server says: ${is} ${key}`, run: (next) => call(next, is, key) }
  }
}

/** `Terminator.#killOnce`. */
function* pursue(world: World, key: string, rules: Rules): Generator<Action> {
  const answer = answerOf(world, 'kill', key)
  if (answer !== undefined) {
    yield {
      name: `the server hears that ${key} is ${answer} to whom was to kill it`,
      run: (next) => {
        hangUp(next, 'kill', key)
        const pursuit = next.server.pursuits.find((one) => one.key === key)
        const isAgain = pursuit?.isAgain && !rules.lacks('a pursuit is taken up again')
        if (pursuit && isAgain) pursuit.isAgain = false
        else endPursuit(next, key)
        if (answer === 'known') return
        lose(next, key, rules)
        undelivered(next, key)
      },
    }
  } else if (!isCalled(world, 'kill', key)) {
    const isOver = !isWanted(world, key)
    if (!isOver && !world.clients[clientOf(world, key)]?.isUp) return
    yield {
      name: isOver ? `${key} need not be killed any more` : `the server says: kill ${key}`,
      run: (next) => {
        if (isOver) return endPursuit(next, key)
        breakOff(next, key)
        call(next, 'kill', key)
      },
    }
  }
}

/** Breaks off the sending of a job, if there is one. */
export function breakOff(world: World, key: string): void {
  const is = world.server.sendings.some((one) => one.key === key && one.isRefused)
    ? 'cancel'
    : 'submit'
  const made = (one: Call) => !one.isOrphan && one.key === key && one.is === is
  endSending(world, key)
  world.calls = world.calls.filter((one) => !made(one) || one.stage !== 'answered')
  for (const one of world.calls) if (made(one)) one.isOrphan = true
}

function endPursuit(world: World, key: string): void {
  world.server.pursuits = world.server.pursuits.filter((one) => one.key !== key)
}

/** `Terminator.terminate`. */
function* terminate({ jobs }: World): Generator<Action> {
  for (const [id, { status, isMarked }] of jobs.entries()) {
    if (isFinal(status) || isMarked) continue
    yield {
      name: `job ${id} is to be terminated`,
      run: (next) => {
        next.left.terminations -= 1
        learn(next, id, { is: 'terminate requested' })
        const job = theJob(next, id)
        if (isActive(job.status)) addPursuit(next, keyOf(id, job.attempt))
      },
    }
  }
}
