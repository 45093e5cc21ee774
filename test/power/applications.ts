/** Applications that upload, look and terminate, whatever becomes of the server. */
import { setTimeout as delay } from 'node:timers/promises'
import { isFinal } from '../../src/domain/job.ts'
import type { JobStatus } from '../../src/domain/job.ts'
import type { JobDetails } from '../../src/domain/protocol.ts'
import type { Door } from '../harness/door.ts'
import type { Ledger } from '../harness/ledger.ts'
import { Sent, send, terminate } from '../harness/sent.ts'
import { makeTask } from '../harness/tasks.ts'
import type { TaskKind } from '../harness/tasks.ts'
import type { Random } from '../harness/random.ts'
import type { Told } from './told.ts'

/** What is short comes more often: a power cut is to meet something that changes. */
const kinds: readonly TaskKind[] = [
  'quick',
  'quick',
  'quick',
  'many',
  'big',
  'failing',
  'retrying',
  'long',
  'endless',
]

const patienceMs = 10_000
const awayMs = 100
/** One application waits when so many of its jobs have not ended. */
const mostOpen = 6

export type Load = {
  readonly api: Door
  readonly ledger: Ledger
  readonly told: Told
  /** All uploads, of every application. */
  readonly sent: Sent[]
}

/** One application, which goes on until the signal says that it is enough. */
export async function apply(
  { api, ledger, sent, told }: Load,
  user: string,
  random: Random,
  enough: AbortSignal,
): Promise<void> {
  let count = 0
  const open = new Set<number>()
  while (!enough.aborted) {
    if (open.size < mostOpen) {
      const upload = new Sent(makeTask(ledger, `${user}-${count++}`, random.oneOf(kinds)), user)
      sent.push(upload)
      const answer = await send(api, upload, AbortSignal.timeout(patienceMs))
      if (upload.id !== undefined) open.add(upload.id)
      if (upload.task.kind === 'endless' && upload.id !== undefined) {
        await delay(random.between(100, 600))
        await terminate(api, upload, AbortSignal.timeout(patienceMs))
      }
      // What was cut off is asked about at the end, under its key; nothing new while it is away.
      if ('broke' in answer) await back(api, enough)
    }
    for (const id of open) if (await hasEnded(api, id, told)) open.delete(id)
    await delay(random.between(0, 150))
  }
}

/** Waits until the server is there. */
async function back(api: Door, enough: AbortSignal): Promise<void> {
  const isThere = () =>
    api.fetch('/health').then(
      ({ ok }) => ok,
      () => false,
    )
  while (!enough.aborted && !(await isThere())) await delay(awayMs)
}

/** Looks at a job, if the server is there: it is as it was told before, or further. */
async function hasEnded(api: Door, id: number, told: Told): Promise<boolean> {
  let response: Response
  let text: string
  try {
    response = await api.fetch(`/jobs/${id}`, { signal: AbortSignal.timeout(patienceMs) })
    text = await response.text()
  } catch {
    return false
  }
  if (response.status === 404) told.untrue.push(`job ${id} was accepted: ${text}`)
  if (!response.ok) return false
  const job = JSON.parse(text) as JobDetails
  told.see(job)
  return isFinal(job.status as JobStatus)
}
