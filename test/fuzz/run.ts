/**
 * `npm run test:fuzz -- --seed S --requests N`: so many requests to each of the modes. `--mode` is for
 * one of them alone, and `--path` for one failure that was told with it.
 */
import { parseArgs } from 'node:util'
import { fuzz } from './fuzz.ts'
import type { Mode } from './fuzz.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    requests: { type: 'string', default: '20000' },
    mode: { type: 'string' },
    path: { type: 'string' },
  },
})
const [seed, requests] = [Number(values.seed), Number(values.requests)]
const all: readonly Mode[] = ['server', 'client']
const say = (line: string) => void process.stdout.write(`${line}\n`)
say(`fuzzing: seed ${seed}, ${requests} requests to each mode`)
await Promise.all(
  all
    .filter((mode) => values.mode === undefined || values.mode === mode)
    .map(async (mode) => {
      try {
        const figures = await fuzz(mode, { seed, requests, path: values.path })
        say(JSON.stringify({ mode, ...figures }))
      } catch (error) {
        process.exitCode = 1
        say(
          `${mode}, seed ${seed}: FAILED: ${error instanceof Error ? error.message : String(error)}`,
        )
      }
    }),
)
