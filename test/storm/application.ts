/** Applications as good ones are: they repeat what broke under its key, and ask until a job has ended. */
import { setTimeout as delay } from 'node:timers/promises'
import { isFinal } from '../../src/domain/job.ts'
import type { JobStatus } from '../../src/domain/job.ts'
import type { Door } from '../harness/door.ts'
import type { Ledger } from '../harness/ledger.ts'
import type { Random } from '../harness/random.ts'
import { Sent, send, terminate } from '../harness/sent.ts'
import { makeTask } from '../harness/tasks.ts'
import type { TaskKind } from '../harness/tasks.ts'

const kinds: readonly TaskKind[] = [
  ...Array.from({ length: 9 }, () => 'quick' as const),
  'many',
  'big',
  'failing',
  'failing',
  'retrying',
  'long',
  'endless',
]

/** One application waits when so many of its jobs have not ended. */
const mostOpen = 8
/** An answer that takes longer is not waited for; what was sent may arrive all the same. */
const patienceMs = 5_000

export type Work = {
  readonly api: Door
  readonly ledger: Ledger
  readonly sent: Sent[]
  readonly jobs: number
  /** Jobs that the applications have seen end. */
  ended: number
}

/** One application, until all jobs of the storm are sent and its own have ended. */
export async function apply(work: Work, user: string, random: Random): Promise<void> {
  const open = new Set<Sent>()
  const endings: Promise<void>[] = []
  for (;;) {
    if (work.sent.length < work.jobs && open.size < mostOpen) {
      const label = `storm-${work.sent.length}`
      const upload = new Sent(makeTask(work.ledger, label, random.oneOf(kinds)), user)
      work.sent.push(upload)
      await take(work, upload)
      open.add(upload)
      if (upload.task.kind === 'endless') endings.push(end(work, upload, random.between(50, 1500)))
    }
    for (const upload of open) {
      if (!(await hasEnded(work, upload))) continue
      open.delete(upload)
      work.ended++
    }
    if (open.size === 0 && work.sent.length >= work.jobs) break
    await delay(open.size < mostOpen ? random.between(0, 20) : 50)
  }
  await Promise.all(endings)
}

/** Sends an upload until it is taken. */
async function take({ api }: Work, upload: Sent): Promise<void> {
  while (upload.id === undefined) {
    const answer = await send(api, upload, AbortSignal.timeout(patienceMs))
    if (upload.id !== undefined) return
    if ('status' in answer && answer.status < 500 && answer.status !== 409) {
      throw new Error(`${upload.task.label} was refused: ${answer.body.message}`)
    }
    await delay(100)
  }
}

/** Asks for the end of a job until that is heard. */
async function end({ api }: Work, upload: Sent, afterMs: number): Promise<void> {
  await delay(afterMs)
  while (!upload.hasHeardOfItsEnd) {
    await terminate(api, upload, AbortSignal.timeout(patienceMs))
    if (!upload.hasHeardOfItsEnd) await delay(100)
  }
}

async function hasEnded({ api }: Work, { id }: Sent): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(patienceMs)
    const response = await api.fetch(`/jobs/${id}`, { signal })
    const { status } = (await response.json()) as { status: JobStatus | 'Unknown' }
    return status !== 'Unknown' && isFinal(status)
  } catch {
    return false // it is away
  }
}
