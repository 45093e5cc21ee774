/** The figures for people, and for machines. */
import { mkdir, writeFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { join, relative } from 'node:path'
import { judge, say } from './figure.ts'
import type { Bar, Figure } from './figure.ts'

/** Prints the table to standard output. */
export function print(figures: readonly Figure[]): void {
  const rows = [
    ['figure', 'value', 'bar', 'aim', '', 'beside'],
    ...figures.map((figure) => [
      figure.name,
      say(figure.value, figure.unit),
      ...sayBar(figure.bar),
      judge(figure),
      figure.beside ?? '',
    ]),
  ]
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  )
  for (const row of rows) {
    const cells = row.map((cell, column) => cell.padEnd(widths[column] ?? 0))
    process.stdout.write(`${cells.join('  ').trimEnd()}\n`)
  }
}

function sayBar(bar: Bar | undefined): [string, string] {
  if (!bar) return ['', '']
  return bar.most === undefined
    ? [`>= ${bar.least ?? bar.aim}`, `${bar.aim}`]
    : [`<= ${bar.most}`, `${bar.aim}`]
}

/** Writes them, with the machine, to bench/results/; returns the file. */
export async function save(figures: readonly Figure[]): Promise<string> {
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
  const judged = figures.map((figure) => ({ ...figure, verdict: judge(figure) }))
  await writeFile(file, `${JSON.stringify({ at, machine, figures: judged }, null, 2)}\n`)
  return relative(process.cwd(), file)
}
