/**
 * A client dies while it starts, follows, ends or packs scripts that are kept apart. With
 * `JO_ISOLATION=bwrap`, crash-client.test.ts does all of it so.
 */
import { after, before, suite, test } from 'node:test'
import type { CrashPoint } from '../src/crash-points/points.ts'
import { bundle } from './harness/bundled.ts'
import type { Bundled } from './harness/bundled.ts'
import { cancelled, mixed, vanishing } from './harness/crash-scenarios.ts'
import { runTrial } from './harness/crash-trial.ts'
import type { Scenario } from './harness/crash-trial.ts'
import { whyNoSandbox } from './harness/sandbox.ts'

const trials: readonly (readonly [readonly CrashPoint[], Scenario])[] = [
  [['run: spawning'], mixed],
  [['run: spawned'], mixed],
  [['kill: begun'], mixed],
  [['end: seen', 'pack: packed'], mixed],
  [['cancel: refused', 'recover: unneeded found'], cancelled],
  [['run: noted', 'recover: running taken back'], mixed],
  [['vanished: seen'], vanishing],
]

const skip = (await whyNoSandbox()) ?? false

void suite('a client whose scripts are kept apart dies', { concurrency: 2, skip }, () => {
  let bundled: Bundled
  before(async () => (bundled = await bundle()))
  after(() => bundled[Symbol.asyncDispose]())

  for (const [crashes, scenario] of trials) {
    test(`at "${crashes.join('", then at "')}"`, () =>
      runTrial(bundled, 'client', crashes, scenario, false, 'bwrap'))
  }
})
