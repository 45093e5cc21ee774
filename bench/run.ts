/**
 * `npm run bench`: what it costs, each figure beside something else that was run in the same
 * minute on the same machine.
 *
 *     npm run bench                 everything, a few minutes
 *     npm run bench -- latency      one of them
 *     npm run bench -- big --size 4GiB
 *
 * Prints a table, and writes it as JSON to bench/results/.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Wrong, parseSizeBytes } from '../src/domain/units.ts'
import { big } from './big.ts'
import type { Figure } from './figure.ts'
import { latency } from './latency.ts'

const benches: Readonly<Record<string, (sizeBytes: number) => Promise<Figure[]>>> = {
  latency,
  big,
}

process.exitCode = await main(process.argv.slice(2))

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { size: { type: 'string', default: '2GiB' } },
  })
  const sizeBytes = parseSizeBytes(values.size)
  const unknown = positionals.filter((name) => !(name in benches))
  if (sizeBytes instanceof Wrong || unknown.length > 0) {
    const faults = unknown.map((name) => `there is no bench "${name}"`)
    if (sizeBytes instanceof Wrong) faults.push(`--size: expected ${sizeBytes.expected}`)
    process.stderr.write(`${faults.join('; ')}; there is: ${Object.keys(benches).join(', ')}\n`)
    return 2
  }
  const figures: Figure[] = []
  for (const [name, bench] of Object.entries(benches)) {
    if (positionals.length > 0 && !positionals.includes(name)) continue
    process.stdout.write(`${name} ...\n`)
    figures.push(...(await bench(sizeBytes)))
  }
  print(figures)
  await save(figures)
  return figures.every(({ holds }) => holds !== false) ? 0 : 1
}

function print(figures: readonly Figure[]): void {
  const rows = [
    ['figure', 'value', 'beside', 'bar'],
    ...figures.map(({ name, value, beside, bar, holds }) => {
      const verdict = holds === undefined ? '' : holds ? ' (holds)' : ' (MISSED)'
      return [name, value, beside ?? '', `${bar ?? ''}${verdict}`]
    }),
  ]
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  for (const row of rows) {
    const cells = row.map((cell, column) => cell.padEnd(widths[column] ?? 0))
    process.stdout.write(`${cells.join('  ').trimEnd()}\n`)
  }
}

async function save(figures: readonly Figure[]): Promise<void> {
  const directory = join(import.meta.dirname, 'results')
  await mkdir(directory, { recursive: true })
  const at = new Date().toISOString()
  const machine = {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memoryBytes: totalmem(),
    node: process.version,
  }
  const file = join(directory, `${at.replaceAll(':', '-')}.json`)
  await writeFile(file, `${JSON.stringify({ at, machine, figures }, null, 2)}\n`)
}
