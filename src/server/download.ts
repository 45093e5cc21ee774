/** What can be had of a job: how it is, its result, or its files as they are now. */
import { Fault } from '../domain/errors.ts'
import { isActive } from '../domain/job.ts'
import type { Job } from '../domain/job.ts'
import { markerOf } from '../domain/marker.ts'
import { isOlderLife } from '../domain/older-life.ts'
import { archive } from '../files/archive.ts'
import type { Zip } from '../files/archive.ts'
import type { JobFiles } from '../files/job-files.ts'
import { readFrom } from '../files/read.ts'
import type { JobStore } from '../store/jobs.ts'
import type { Clients } from './clients.ts'
import { findJob } from './find.ts'
import type { ClientGateway, OlderGateway } from './gateway.ts'
import { statusMessage } from './status-message.ts'

export type DownloadContext = {
  readonly store: JobStore
  readonly clients: Clients
  readonly files: JobFiles
  readonly gateway: ClientGateway
  readonly olderGateway: OlderGateway
}

/**
 * The result of a completed job; in every other status there is only the job to tell of.
 *
 * @throws Fault `not_found`
 */
export async function download(
  { store, files, clients }: DownloadContext,
  id: number,
): Promise<{ job: Job; zip?: Zip }> {
  const job = await findJob(store, id)
  if (job.status !== 'Completed') return { job: { ...job, message: statusMessage(clients, job) } }
  const zip = await storedResult(store, files, job)
  return zip ? { job, zip } : { job: await findJob(store, id) }
}

/**
 * The files of a job as they are now: as uploaded, as they are at the client, or the result.
 *
 * @throws Fault `not_found`; `unreachable` when the client that has them does not answer.
 */
export async function downloadPartial(
  context: DownloadContext,
  id: number,
  signal: AbortSignal,
): Promise<Zip> {
  const { store, files, gateway, olderGateway } = context
  const job = await findJob(store, id)
  if (job.status === 'Cleaned') throw cleaned(id)
  if (job.result) {
    const zip = await storedResult(store, files, job)
    if (zip) return zip
    throw cleaned(id)
  }
  const attempt = (await store.current(id))?.attempt
  if (isActive(job.status) && attempt?.payloadId != null) {
    const { client, payloadId, key, instance } = attempt
    if (isOlderLife(instance)) {
      try {
        const content = await olderGateway.partial(client, payloadId, signal)
        return await files.passOlderResult(content, markerOf(key))
      } catch (error) {
        // What is wrong with its answer is not the user's fault.
        if (!(error instanceof Fault)) throw error
        const now = `the files of job ${id} cannot be had from its client now`
        throw new Fault('unreachable', `${now}: ${error.message}`, { cause: error })
      }
    }
    return { content: await gateway.partial(client, payloadId, key, signal) }
  }
  return { content: archive(files.inputDirectory(id)) }
}

function cleaned(id: number): Fault {
  return new Fault('not_found', `the files of job ${id} are gone: it was cleaned`)
}

/** `undefined` if the job was cleaned meanwhile. What is being read goes on to its end then. */
async function storedResult(
  store: JobStore,
  files: JobFiles,
  { id, attempt, result }: Job,
): Promise<Zip | undefined> {
  const sizeBytes = result?.sizeBytes ?? 0
  try {
    return { content: await readFrom(files.resultFile(id, attempt), sizeBytes), sizeBytes }
  } catch (error) {
    const now = await findJob(store, id)
    if (now.status === 'Cleaned') return undefined
    throw error
  }
}
