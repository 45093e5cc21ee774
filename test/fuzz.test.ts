/** Fuzzing, for a short while: `npm run test:fuzz` does it for long. */
import { suite, test } from 'node:test'
import { fuzz } from './fuzz/fuzz.ts'

const requests = 250

void suite('requests that nobody foresaw', { concurrency: 2 }, () => {
  for (const mode of ['server', 'client'] as const) {
    test(`are answered by a ${mode} as its document says, and leave nothing behind`, async (t) => {
      const figures = await fuzz(mode, { seed: 6, requests })
      t.diagnostic(JSON.stringify(figures))
    })
  }
})
