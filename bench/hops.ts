/** How long a job was on each part of its way, by what it, its client and its server noted. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isFinal } from '../src/domain/job.ts'
import type { JobStatus } from '../src/domain/job.ts'
import type { JobDetails } from '../src/domain/protocol.ts'
import type { Bed } from './subject.ts'

/** Seconds. */
export type Hops = {
  /** From the claim until the client has it, durably. */
  readonly submit: number
  /** From the last word of the script until its ZIP is durable. */
  readonly pack: number
  /** From there until the server has it, durably, and has committed that. */
  readonly retrieve: number
}

const askEveryMs = 20

/** A line for the end of `run.sh`: it notes the time. */
export function noteEnd(bed: Bed): string {
  return `date +%s%3N > '${endFile(bed)}'\n`
}

/**
 * Waits until a job is final.
 *
 * @throws unless it is `Completed`.
 */
export async function completed(address: string, id: number): Promise<JobDetails> {
  for (;;) {
    const job = (await (await fetch(`${address}/jobs/${id}`)).json()) as JobDetails
    const { status, message } = job
    if (status === 'Completed') return job
    if (isFinal(status as JobStatus)) throw new Error(`job ${id} is ${status}: ${message}`)
    await delay(askEveryMs)
  }
}

/** Of a job that is completed, and whose script was the last that noted its end. */
export async function hopsOf(bed: Bed, { id, history }: JobDetails): Promise<Hops> {
  const at = (status: string) => Date.parse(history.find(({ to }) => to === status)?.at ?? '')
  const scriptEnd = Number(await readFile(endFile(bed), 'utf8'))
  const packed = await packedAtMs(bed, id)
  return {
    submit: (at('Submitted') - at('Processing')) / 1000,
    pack: (packed - scriptEnd) / 1000,
    retrieve: (at('Completed') - packed) / 1000,
  }
}

type Line = { readonly time: string; readonly job?: number; readonly status?: string }

/** A client logs that a payload has ended when its result is durable. */
async function packedAtMs(bed: Bed, id: number): Promise<number> {
  const log = await readFile(join(bed.directory, 'client.log'), 'utf8')
  const lines = log.trimEnd().split('\n')
  const line = lines
    .map((text) => JSON.parse(text) as Line)
    .find(({ job, status }) => job === id && status === 'Completed')
  return Date.parse(line?.time ?? '')
}

function endFile(bed: Bed): string {
  return join(bed.directory, 'script-end')
}
