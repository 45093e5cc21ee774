/**
 * `npm run test:power -- --seed S --cuts N --side server|client|both`: power cuts under load, as many
 * as wanted. `--series M` does it with M seeds, from S on.
 */
import { parseArgs } from 'node:util'
import { whyNoMachine } from '../harness/machine.ts'
import { sides } from './scene.ts'
import { cutPower } from './series.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    series: { type: 'string', default: '1' },
    cuts: { type: 'string', default: '10' },
    applications: { type: 'string', default: '4' },
    side: { type: 'string' },
  },
})
const wanted = sides.filter((side) => values.side === undefined || values.side === side)
if (wanted.length === 0) throw new Error(`--side is one of ${sides.join(', ')}`)
const why = await whyNoMachine()
if (why !== undefined) throw new Error(`power cannot be cut here: ${why}`)

// Nothing is to stay mounted.
const stopping = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stopping.abort())

const first = Number(values.seed)
const cuts = Number(values.cuts)
for (let seed = first; seed < first + Number(values.series); seed++) {
  for (const side of wanted) {
    const startedAt = performance.now()
    const plan = { seed, side, cuts, applications: Number(values.applications) }
    if (stopping.signal.aborted) break
    try {
      const figures = await cutPower({ ...plan, signal: stopping.signal })
      const seconds = Math.round((performance.now() - startedAt) / 1000)
      process.stdout.write(`${JSON.stringify({ seed, side, ...figures, seconds })}\n`)
    } catch (error) {
      process.exitCode = 1
      process.stdout.write(`${JSON.stringify(plan)} FAILED: ${(error as Error).message}\n`)
    }
  }
}
