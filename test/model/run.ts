/**
 * Looks further than `model.test.ts` does:
 *
 *     npm run test:model                                         all orders of one job, two faults
 *     npm run test:model -- --faults 1 --terminations 1          ... one fault, and a termination
 *     npm run test:model -- --seed 1 --runs 100000 --faults 12   long runs by lot, three jobs
 *
 * All orders with two faults of all kinds are some millions of worlds: `--states` says when to stop,
 * `--kinds "client crash,call broken"` which faults there are.
 */
import { parseArgs } from 'node:util'
import { exploreAll, exploreOne } from './explore.ts'
import type { Found } from './explore.ts'
import { faultKinds } from './faults.ts'
import { randomFrom } from './random.ts'

const { values } = parseArgs({
  options: {
    faults: { type: 'string', default: '2' },
    terminations: { type: 'string', default: '0' },
    runsOfScript: { type: 'string', default: '1' },
    states: { type: 'string', default: '1000000' },
    kinds: { type: 'string', default: faultKinds.join(',') },
    seed: { type: 'string' },
    runs: { type: 'string', default: '1000' },
  },
})

const kinds = faultKinds.filter((kind) => values.kinds.split(',').includes(kind))
const counts = { faults: Number(values.faults), terminations: Number(values.terminations) }
const began = performance.now()

function say(found: Pick<Found, 'violation'>, figures: string): void {
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  const { message, trace } = found.violation ?? { message: 'nothing wrong was found', trace: [] }
  process.stdout.write([...trace, message, `${figures}, ${seconds} s`, ''].join('\n'))
  process.exitCode = found.violation ? 1 : 0
}

if (values.seed === undefined) {
  const world = { jobs: 1, clients: 2, scriptAttempts: Number(values.runsOfScript), ...counts }
  const found = exploreAll({ world, faults: kinds }, Number(values.states))
  const { states, steps, ends, isWhole } = found
  say(found, `${isWhole ? 'all' : 'the first'} ${states} worlds, ${steps} steps, ${ends} ends`)
} else {
  const [first, runs] = [Number(values.seed), Number(values.runs)]
  let steps = 0
  let last: Found | undefined
  for (let seed = first; seed < first + runs && !last?.violation; seed++) {
    const world = { jobs: 3, clients: 2 + (seed % 2), scriptAttempts: 2, ...counts }
    last = exploreOne({ world, faults: kinds }, randomFrom(seed), 0.15)
    steps += last.steps
    if (last.violation) process.stdout.write(`seed ${seed}:\n`)
  }
  say(last ?? {}, `${runs} runs, ${steps} steps`)
}
