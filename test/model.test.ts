/**
 * A model check: the server, its clients and the network as a small simulation, in which every order
 * of steps, faults among them, is tried. What decides is the real `decide`; the rest is written
 * after `src/server/` and `src/client/`, and each part names what it is written after. Who changes
 * those changes this.
 *
 * What is modelled: claims, sendings with late, lost and doubtful answers, event streams with their
 * snapshots, fetching, forgetting, cancelling, killing, the getter, the relocator, scripts that fail
 * and are run again, supervising shells that come late, and what of each side survives its end. A
 * request may arrive long after who made it has given it up, but not after a power cut. Faults: the
 * server or a client dies, a machine loses power, a client its data, a script its shell; a call or a
 * stream breaks, a client has no room, is not reached, or is lost by CLIENT_LOST_AFTER.
 *
 * In each world: a script starts at most once per attempt, no attempt that was given up starts
 * (unless its client was lost), none runs beside another, each step is one of the walk, a job that is
 * to be terminated is not sent. Where nothing is left to be done: every job is final, no call, errand
 * or payload is left anywhere.
 *
 * What is not: files and their flushing (but for the start and exit records), times, quotas and
 * slots, drains, clients of 2.2.3, the cleaners, full disks, damaged results, a fault within a
 * transaction. A client's handling of one request is one step, and so is what the server makes of
 * one event.
 *
 * Much more of it: `npm run test:model`, see `model/run.ts`.
 */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { exploreAll, exploreOne } from './model/explore.ts'
import type { Found } from './model/explore.ts'
import { faultKinds } from './model/faults.ts'
import type { FaultKind } from './model/faults.ts'
import { randomFrom } from './model/random.ts'
import type { Rule } from './model/world.ts'

const one = { jobs: 1, clients: 2, faults: 1, terminations: 0, scriptAttempts: 1 }
const most = 100_000

function assertGood({ violation }: Found): void {
  assert.equal(violation, undefined, violation?.trace.concat(violation.message).join('\n'))
}

test('in all orders with one fault, of whatever kind, nothing is lost, doubled or stuck', (t) => {
  const found = exploreAll({ world: one, faults: faultKinds }, most)
  assertGood(found)
  assert.ok(found.isWhole)
  t.diagnostic(`${found.states} worlds, ${found.steps} steps, ${found.ends} ends`)
})

test('nor when the job is to be terminated at any moment, and a process dies or a call breaks', (t) => {
  const world = { ...one, terminations: 1 }
  for (const kind of ['client crash', 'call broken'] as const) {
    const found = exploreAll({ world, faults: [kind] }, most)
    assertGood(found)
    assert.ok(found.isWhole)
    t.diagnostic(`${kind}: ${found.states} worlds, ${found.steps} steps, ${found.ends} ends`)
  }
})

test('nor in long runs with several jobs and many faults', (t) => {
  let steps = 0
  for (let seed = 1; seed <= 1_000; seed++) {
    const world = {
      jobs: 3,
      clients: 2 + (seed % 2),
      faults: 12,
      terminations: 1,
      scriptAttempts: 2,
    }
    const found = exploreOne({ world, faults: faultKinds }, randomFrom(seed), 0.15)
    assertGood(found)
    steps += found.steps
  }
  t.diagnostic(`${steps} steps`)
})

/** Rules without which something goes wrong: what, and with how many of which faults. */
const needed: readonly {
  readonly lacks: readonly Rule[]
  readonly faults?: readonly FaultKind[]
  readonly most?: number
  readonly terminations?: number
  readonly finds: RegExp
}[] = [
  {
    lacks: ['a cancelled key is refused'],
    faults: ['call broken'],
    most: 2,
    finds: /^0.1 starts, and was given up/,
  },
  {
    // Each makes up for the other.
    lacks: [
      'absence is a loss only of what was accepted before',
      'an answer that a new stream overtook is looked into',
    ],
    faults: ['stream broken'],
    finds: /^0.1 starts, and was given up/,
  },
  {
    lacks: ['an answer that a new stream overtook is looked into'],
    faults: ['power cut', 'data loss'],
    finds: /^job 0 is Submitted for ever/,
  },
  {
    lacks: ['a loss counts before the acceptance, too'],
    faults: ['call broken'],
    most: 3,
    finds: /^job 0 is Submitted for ever/,
  },
  {
    lacks: ['the start record is exclusive'],
    faults: ['client crash'],
    finds: /^the script of 0.1 is started twice/,
  },
  {
    lacks: ['a refusal does not speak for earlier sendings'],
    faults: ['call broken'],
    most: 2,
    finds: /^0.1 starts, and was given up/,
  },
  {
    lacks: ['a killed payload is not started by a late shell'],
    faults: ['client crash'],
    terminations: 1,
    finds: /^0.1 starts, and its job is Killed/,
  },
  {
    lacks: ['what was not packed before a power cut is lost'],
    faults: ['power cut'],
    finds: /^the script of 0.1 is started twice/,
  },
  {
    lacks: ['a lost payload is refused'],
    faults: ['shell killed', 'call broken'],
    most: 2,
    finds: /^the script of 0.1 is started twice/,
  },
  {
    lacks: ['marked jobs are looked for in snapshots'],
    faults: ['server crash'],
    terminations: 1,
    finds: /^job 0 is \w+ for ever/,
  },
  {
    lacks: ['a sending is resumed'],
    faults: ['server crash'],
    finds: /^job 0 is Processing for ever/,
  },
  {
    lacks: ['a pursuit is taken up again'],
    faults: ['power cut'],
    terminations: 1,
    finds: /^job 0 is Processing for ever/,
  },
  {
    lacks: ['a payload is sent only to the instance that it was meant for'],
    faults: ['data loss'],
    terminations: 1,
    finds: /^0.1 starts, and its job is Killed/,
  },
]

void suite('without its rules it goes wrong, and that is seen', () => {
  for (const { lacks, faults = [], most: number = 1, terminations = 0, finds } of needed) {
    test(`without "${lacks.join('" and "')}"`, (t) => {
      const world = { ...one, faults: number, terminations }
      const { violation, states } = exploreAll({ world, faults, lacks }, most)
      assert.match(violation?.message ?? `nothing in ${states} worlds`, finds)
      t.diagnostic(`after ${states} worlds: ${violation?.trace.length} steps`)
    })
  }

  // By lot, for it takes a long way to see them.
  const rare: readonly [Rule, RegExp][] = [
    ['a stale payload is cancelled', /^client \d has something left/],
    ['what need not be fetched is forgotten', /^client \d has something left/],
  ]
  for (const [lacking, finds] of rare) {
    test(`without "${lacking}"`, (t) => {
      const world = { ...one, faults: 8, scriptAttempts: 3 }
      const faults = ['server crash', 'stream broken', 'client lost'] as const
      for (let seed = 1; seed <= 3_000; seed++) {
        const random = randomFrom(seed)
        const { violation } = exploreOne({ world, faults, lacks: [lacking] }, random, 0.2)
        if (!violation) continue
        assert.match(violation.message, finds)
        t.diagnostic(`after ${seed} runs: ${violation.trace.length} steps`)
        return
      }
      assert.fail('it was not seen')
    })
  }
})
