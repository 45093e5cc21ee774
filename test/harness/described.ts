import type { Api } from './api.ts'

export type Described = {
  readonly status: string
  readonly exitCode: number | null
  readonly cpuSeconds: number
  readonly peakMemoryBytes: number | null
  readonly bytesWritten: number | null
  readonly limits: Readonly<Record<string, Readonly<Record<string, number | string>>>>
  readonly endedBy: string
  readonly leftOut: readonly { readonly path: string; readonly why: string }[]
}

/** The `job.json` of an ended job. */
export async function described(api: Api, id: number): Promise<Described> {
  const files = await api.files(id, 'download_partial')
  return JSON.parse(String(files.get('.orchestrator/job.json')?.content)) as Described
}
