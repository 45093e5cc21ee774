/** The client dies at every crash point of its side, and nothing is lost, doubled or stuck. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { crashPoints } from '../src/crash-points/points.ts'
import type { CrashPoint } from '../src/crash-points/points.ts'
import { bundle } from './harness/bundled.ts'
import type { Bundled } from './harness/bundled.ts'
import {
  cancelled,
  everything,
  forsaken,
  mixed,
  rebooted,
  unsent,
  vanishing,
} from './harness/crash-scenarios.ts'
import { runTrial } from './harness/crash-trial.ts'
import type { Scenario } from './harness/crash-trial.ts'

type Passage = CrashPoint | `${CrashPoint}@${number}`

/** Where it dies, or where it dies time after time, and what goes on meanwhile. */
const trials: readonly (readonly [Passage | readonly Passage[], Scenario])[] = [
  ['open: memory made', mixed],
  ['submit: receiving', mixed],
  ['submit: id reserved', mixed],
  ['submit: manifest written', mixed],
  ['submit: published', mixed],
  ['submit: taken', mixed],
  ['run: chosen', mixed],
  ['run: bounded', mixed],
  ['run: spawning', mixed],
  ['run: spawned', mixed],
  ['run: noted', mixed],
  ['end: seen', mixed],
  ['result: half written', mixed],
  ['pack: packed', mixed],
  ['pack: held', everything],
  ['pack: outcome written', mixed],
  ['pack: durable', everything],
  ['pack: told', mixed],
  ['kill: marked', mixed],
  ['kill: durable', mixed],
  ['kill: begun', mixed],
  ['kill: refused', unsent],
  ['cancel: refused', cancelled],
  ['cancel: ended', cancelled],
  ['cancel: removed', cancelled],
  ['vanished: seen', vanishing],
  ['vanished: refused', vanishing],
  ['vanished: removed', vanishing],
  ['forget: asked', mixed],
  ['forget: noted', everything],
  ['forget: removed', mixed],
  ['remove: out of sight', mixed],
  ['clean: key refused', forsaken],
  [['submit: receiving', 'recover: leftovers removed'], mixed],
  [['cancel: refused', 'recover: unneeded found'], cancelled],
  ['recover: loss refused', rebooted],
  [['pack: durable', 'recover: ended taken back'], mixed],
  [['run: noted', 'recover: running taken back'], mixed],
  [['run: spawning', 'recover: running taken back'], mixed],
  // In a row, each in the middle of taking up what the one before it left.
  [
    ['submit: published', 'run: spawning@2', 'end: seen', 'pack: packed', 'pack: durable'],
    everything,
  ],
  [
    ['submit: manifest written@3', 'run: spawned', 'run: noted', 'kill: durable', 'end: seen'],
    everything,
  ],
  [['result: half written', 'forget: noted@2', 'remove: out of sight'], everything],
]

test('there is a trial for every crash point of a client', () => {
  const names = Object.entries(crashPoints)
    .filter(([, { side }]) => side !== 'server')
    .map(([name]) => name)
  const tried = new Set<string>(
    trials.flatMap(([passages]) => passages).map((one) => one.replace(/@.*/, '')),
  )
  assert.deepEqual(tried, new Set(names))
})

void suite('a client dies', { concurrency: 4 }, () => {
  let bundled: Bundled
  before(async () => (bundled = await bundle()))
  after(() => bundled[Symbol.asyncDispose]())

  for (const [passages, scenario] of trials) {
    const crashes = [passages].flat()
    test(`at "${crashes.join('", then at "')}"`, () =>
      runTrial(bundled, 'client', crashes, scenario))
  }
})
