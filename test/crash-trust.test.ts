/** Processes die while tokens, a cluster secret and TLS are on; with `TRUST=on` all other trials do so. */
import { after, before, suite, test } from 'node:test'
import { bundle } from './harness/bundled.ts'
import type { Bundled } from './harness/bundled.ts'
import { noCertificates } from './harness/certificates.ts'
import { cancelled, everything, mixed } from './harness/crash-scenarios.ts'
import { runTrial } from './harness/crash-trial.ts'
import type { Scenario } from './harness/crash-trial.ts'
import type { Side } from './harness/pair.ts'

/** What a restart changes for both sides: the client's name, and whose connections there are. */
const trials: readonly (readonly [Side, readonly string[], Scenario])[] = [
  ['server', ['upload: committed@2', 'claim: committed@2', 'send: sent'], everything],
  ['server', ['send: half sent'], mixed],
  ['client', ['submit: published', 'run: spawning@2', 'pack: durable'], everything],
  ['client', ['submit: receiving'], mixed],
  ['client', ['cancel: refused'], cancelled],
]

void suite('with all protection on', { concurrency: 2, skip: noCertificates }, () => {
  let bundled: Bundled
  before(async () => (bundled = await bundle()))
  after(() => bundled[Symbol.asyncDispose]())

  for (const [side, crashes, scenario] of trials) {
    test(`a ${side} dies at "${crashes.join('", then at "')}"`, () =>
      runTrial(bundled, side, crashes, scenario, true))
  }
})
