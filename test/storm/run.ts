/**
 * `npm run test:storm -- --seed S --jobs N --kills K`: the storm, as long as wanted. `--series M` does
 * it with M seeds, from S on; `--trust` with tokens, a cluster secret and TLS; `--isolation bwrap` with
 * scripts that are kept apart; `--keep` keeps what is on the disk when something was wrong.
 */
import { parseArgs } from 'node:util'
import { storm } from './storm.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    series: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '300' },
    kills: { type: 'string', default: '60' },
    trust: { type: 'boolean', default: false },
    isolation: { type: 'string', default: 'none' },
    keep: { type: 'boolean', default: false },
  },
})
const [jobs, kills] = [Number(values.jobs), Number(values.kills)]
const { trust, isolation, keep } = values
const say = (line: string) => void process.stdout.write(`${line}\n`)
const plan = { jobs, kills, say, trust, isolation, keep }
for (let n = 0; n < Number(values.series); n++) {
  const seed = Number(values.seed) + n
  try {
    say(JSON.stringify({ seed, ...(await storm({ ...plan, seed })) }))
  } catch (error) {
    process.exitCode = 1
    say(`seed ${seed} FAILED: ${error instanceof Error ? error.message : String(error)}`)
  }
}
