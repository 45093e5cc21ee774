/** What to tell of a job that is not final: why it waits, if there is more to it than its turn. */
import { sayDuration } from '../domain/duration.ts'
import { isActive } from '../domain/job.ts'
import type { Job } from '../domain/job.ts'
import type { ClientLink } from './client-link.ts'
import { describeHindrances } from './client-news.ts'
import type { Clients } from './clients.ts'

/** The job's own message, or what is known of its clients just now. */
export function statusMessage(clients: Clients, job: Job): string {
  if (isActive(job.status)) {
    const silent = describeSilence(clients.holding(job.id))
    if (job.terminateRequestedAtMs === null) return silent || job.message
    return silent ? `to be terminated; ${silent}` : 'being terminated'
  }
  if (job.status !== 'Queued') return job.message
  const links = clients.ofService(job.service)
  if (links.length === 0) return `service "${job.service}" is not configured any more`
  const reachable = links.filter((link) => link.reachable)
  if (reachable.length > 0) {
    return whyNoneTakes(reachable, job.service) ?? job.message
  }
  const troubles = links.map(
    ({ address, trouble }) => `${address.uploadUrl}: ${trouble ?? 'no answer'}`,
  )
  return `no client of service "${job.service}" can be reached (${troubles.join('; ')})`
}

/** Why an active job's client says nothing; empty if it does. */
function describeSilence(link: ClientLink | undefined): string {
  if (link?.trouble === undefined) return ''
  const forMs = link.silentForMs
  const time = forMs < 1_000 ? '' : ` (silent for ${sayDuration(forMs)})`
  return `its client cannot be reached${time}: ${link.trouble}`
}

/** Why none of the clients that can be reached takes jobs; `undefined` if one does. */
function whyNoneTakes(links: readonly ClientLink[], service: string): string | undefined {
  const why = describeHindrances(links)
  return why && `all clients of service "${service}" that can be reached ${why}`
}
