/**
 * `npm run bench`: what it costs, each figure beside something else that was run in the same
 * minute on the same machine.
 *
 *     npm run bench                            everything, ten minutes, or some more on slow machines
 *     npm run bench -- latency submit          some of it
 *     npm run bench -- big --size 4GiB
 *     npm run bench -- latency --of checkout   of one build of the program: the other one is the
 *                                              single executable, which is built for it
 *
 * Prints a table, and writes it as JSON to bench/results/. It fails when a bar is missed.
 */
import { parseArgs } from 'node:util'
import { Wrong, parseSizeBytes } from '../src/domain/units.ts'
import { buildExecutable } from '../test/harness/built.ts'
import { backlog } from './backlog.ts'
import type { Bench } from './bench.ts'
import { big } from './big.ts'
import { fairness } from './fairness.ts'
import { judge } from './figure.ts'
import type { Figure } from './figure.ts'
import { fleet } from './fleet.ts'
import { idle } from './idle.ts'
import { latency } from './latency.ts'
import { manyFiles } from './many-files.ts'
import { submit } from './submit.ts'
import { builds } from './subject.ts'
import type { Build } from './subject.ts'
import { print, save } from './table.ts'
import { throughput } from './throughput.ts'

/** Those that are `both` are of the executable and of the checkout, the others of the executable. */
const benches: Readonly<Record<string, { readonly bench: Bench; readonly both?: true }>> = {
  latency: { bench: latency, both: true },
  throughput: { bench: throughput, both: true },
  submit: { bench: submit },
  backlog: { bench: backlog },
  big: { bench: big },
  'many-files': { bench: manyFiles },
  fleet: { bench: fleet },
  idle: { bench: idle },
  fairness: { bench: fairness },
}

process.exitCode = await main(process.argv.slice(2))

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { size: { type: 'string', default: '1GiB' }, of: { type: 'string' } },
  })
  const sizeBytes = parseSizeBytes(values.size)
  const faults = positionals
    .filter((name) => !(name in benches))
    .map((name) => `there is no bench "${name}"; there is: ${Object.keys(benches).join(', ')}`)
  if (sizeBytes instanceof Wrong) faults.push(`--size: expected ${sizeBytes.expected}`)
  if (values.of !== undefined && !isBuild(values.of)) {
    faults.push(`--of: expected ${Object.keys(builds).join(' or ')}`)
  }
  if (faults.length > 0 || sizeBytes instanceof Wrong) {
    process.stderr.write(`${faults.join('\n')}\n`)
    return 2
  }
  if (values.of !== 'checkout') await buildExecutable()
  const figures: Figure[] = []
  for (const [name, { bench, both = false }] of Object.entries(benches)) {
    if (positionals.length > 0 && !positionals.includes(name)) continue
    const of: readonly Build[] =
      values.of !== undefined && isBuild(values.of)
        ? [values.of]
        : both
          ? ['executable', 'checkout']
          : ['executable']
    for (const build of of) {
      process.stdout.write(`${name}, ${build} ...\n`)
      figures.push(...(await bench({ build, sizeBytes })))
    }
  }
  print(figures)
  process.stdout.write(`written to ${await save(figures)}\n`)
  return figures.some((figure) => judge(figure) === 'MISSED') ? 1 : 0
}

function isBuild(name: string): name is Build {
  return name in builds
}
