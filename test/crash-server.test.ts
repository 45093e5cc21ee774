/** The server dies at every crash point of its side, and nothing is lost, doubled or stuck. */
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { crashPoints } from '../src/crash-points/points.ts'
import type { CrashPoint } from '../src/crash-points/points.ts'
import { bundle } from './harness/bundled.ts'
import type { Bundled } from './harness/bundled.ts'
import {
  aged,
  everything,
  mixed,
  moved,
  repeated,
  spoilt,
  unsent,
  vanishing,
} from './harness/crash-scenarios.ts'
import { runTrial } from './harness/crash-trial.ts'
import type { Scenario } from './harness/crash-trial.ts'

type Passage = CrashPoint | `${CrashPoint}@${number}`

/** Where it dies, or where it dies time after time, and what goes on meanwhile. */
const trials: readonly (readonly [Passage | readonly Passage[], Scenario])[] = [
  ['open: database made', mixed],
  ['open: owner noted', mixed],
  ['upload: receiving', mixed],
  ['upload: id reserved', mixed],
  ['upload: published', mixed],
  ['upload: committed', everything],
  ['upload: recognised', repeated],
  ['claim: committed', everything],
  ['send: half sent', mixed],
  ['send: sent', mixed],
  ['send: answered', mixed],
  ['send: settled', mixed],
  ['running: heard', mixed],
  ['running: committed', mixed],
  ['result: half written', mixed],
  ['retrieve: stored', mixed],
  ['retrieve: earlier removed', everything],
  ['retrieve: committed', everything],
  ['retrieve: forgotten', mixed],
  ['retrieve: given up', spoilt],
  ['loss: heard', vanishing],
  ['loss: committed', vanishing],
  ['move: committed', moved],
  ['terminate: marked', mixed],
  ['terminate: called', mixed],
  ['terminate: called', unsent],
  ['clean: committed', aged],
  ['clean: removed', aged],
  ['step: written', mixed],
  ['step: committed', mixed],
  [['upload: receiving', 'recover: uploads removed'], mixed],
  [['upload: published', 'recover: jobs removed'], mixed],
  [['claim: committed', 'recover: sending resumed'], mixed],
  [['send: sent', 'recover: sending resumed'], mixed],
  // In a row, each in the middle of taking up what the one before it left.
  [Array.from({ length: 6 }, () => 'step: committed' as const), everything],
  [['step: written', 'step: written@3', 'step: written@2'], everything],
  [['upload: committed@2', 'claim: committed@2', 'send: sent', 'running: heard'], everything],
  [['result: half written@3', 'retrieve: stored', 'retrieve: committed@2'], everything],
]

test('there is a trial for every crash point of a server', () => {
  const names = Object.entries(crashPoints)
    .filter(([, { side }]) => side !== 'client')
    .map(([name]) => name)
  const tried = new Set<string>(
    trials.flatMap(([passages]) => passages).map((one) => one.replace(/@.*/, '')),
  )
  assert.deepEqual(tried, new Set(names))
})

void suite('a server dies', { concurrency: 4 }, () => {
  let bundled: Bundled
  before(async () => (bundled = await bundle()))
  after(() => bundled[Symbol.asyncDispose]())

  for (const [passages, scenario] of trials) {
    const crashes = [passages].flat()
    test(`at "${crashes.join('", then at "')}"`, () =>
      runTrial(bundled, 'server', crashes, scenario))
  }
})
