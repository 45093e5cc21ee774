/** What to tell of a job that is not final: why it waits, if there is more to it than its turn. */
import { isActive } from '../domain/job.ts'
import type { Job } from '../domain/job.ts'
import type { JobStore } from '../store/jobs.ts'
import type { Clients } from './clients.ts'

export type MessageContext = { readonly store: JobStore; readonly clients: Clients }

/** The job's own message, or what is known of its clients just now. */
export async function statusMessage({ store, clients }: MessageContext, job: Job): Promise<string> {
  if (isActive(job.status)) {
    const attempt = (await store.attempts(job.id)).at(-1)
    const trouble = attempt && clients.known(attempt.client)?.trouble
    const silent = trouble === undefined ? '' : `its client cannot be reached: ${trouble}`
    if (job.terminateRequestedAtMs === null) return silent || job.message
    return silent ? `to be terminated; ${silent}` : 'being terminated'
  }
  if (job.status !== 'Queued') return job.message
  const links = clients.ofService(job.service)
  if (links.length === 0) return `service "${job.service}" is not configured any more`
  if (links.some((link) => link.reachable)) return job.message
  const troubles = links.map(
    ({ address, trouble }) => `${address.uploadUrl}: ${trouble ?? 'no answer'}`,
  )
  return `no client of service "${job.service}" can be reached (${troubles.join('; ')})`
}
