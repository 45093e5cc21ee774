/**
 * Machines that lose their power at moments that follow from a seed, while applications work. Many
 * more: `npm run test:power -- --seed 1 --cuts 20`.
 */
import { test } from 'node:test'
import { whyNoMachine } from './harness/machine.ts'
import { cutPower } from './power/series.ts'

const skip = (await whyNoMachine()) ?? false

for (const side of ['server', 'client'] as const) {
  const title = `nothing is lost, doubled or stuck when the ${side}'s machine loses its power`
  test(title, { skip }, async (t) => {
    const figures = await cutPower({ seed: 1, cuts: 2, side, applications: 2 })
    t.diagnostic(JSON.stringify(figures))
  })
}
