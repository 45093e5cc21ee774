/** Which client ran which job, and what came out. */
import type { JobDetails } from './job.ts'

export type Run = {
  readonly job: JobDetails
  readonly seed: number | undefined
  /** Its summary.txt. */
  readonly text: string
}

/** @param clients addresses by their names. */
export function table(runs: readonly Run[], clients: ReadonlyMap<string, string>): string {
  const rows = runs.map(({ job, seed, text }) => {
    const [, gyration = ''] = /mean square radius of gyration +(\S+)/.exec(text) ?? []
    return [job.id, seed, ranOn(job, clients), tookMs(job), gyration]
  })
  const heads = ['job', 'seed', 'ran on', 'ms', 'mean square radius of gyration, sampled']
  const widths = [5, 6, 10, 6, 0]
  const line = (cells: readonly unknown[]) =>
    cells.map((cell, index) => String(cell).padStart(widths[index] ?? 0)).join('  ')
  return [heads, ...rows].map(line).join('\n')
}

/** The name of the client that ran the last attempt of a job. */
function ranOn({ attempts }: JobDetails, clients: ReadonlyMap<string, string>): string {
  const url = attempts.at(-1)?.client ?? ''
  const found = [...clients].find(([, address]) => url.startsWith(`${address}/`))
  return found?.[0] ?? url
}

function tookMs({ attempts }: JobDetails): number {
  const { startedAt, endedAt } = attempts.at(-1) ?? {}
  return Date.parse(endedAt ?? '') - Date.parse(startedAt ?? '')
}
