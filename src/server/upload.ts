/** The beginning of a job: its files are on disk and its row is committed before anybody hears. */
import { crashPoint } from '../crash-points.ts'
import { reaches } from '../domain/access.ts'
import type { Access } from '../domain/access.ts'
import { Fault } from '../domain/errors.ts'
import { fingerprintOf } from '../domain/idempotency.ts'
import type { Job } from '../domain/job.ts'
import { limitKinds, limitNames, sayLimit } from '../domain/limits.ts'
import type { LimitValues } from '../domain/limits.ts'
import type { Part } from '../domain/part.ts'
import { readUploadFields } from '../domain/upload-fields.ts'
import type { UploadFields } from '../domain/upload-fields.ts'
import type { UploadSlots } from '../domain/upload-slots.ts'
import type { FreeSpace } from '../files/free-space.ts'
import type { JobFiles } from '../files/job-files.ts'
import type { Workspace } from '../files/workspace.ts'
import type { Idempotency, JobStore, KeyedJob, NewJob } from '../store/jobs.ts'
import type { Clients } from './clients.ts'
import { findJob } from './find.ts'
import { Reception } from './reception.ts'
import { statusMessage } from './status-message.ts'
import type { UploadsUnderWay } from './uploads-under-way.ts'

export type UploadContext = {
  readonly store: JobStore
  readonly files: JobFiles
  readonly space: Pick<FreeSpace, 'demand'>
  /** Names of the services there are, in lower case. */
  readonly services: ReadonlySet<string>
  /** What the scripts of each service may use at most; one that is not named has no limits. */
  readonly limits: ReadonlyMap<string, LimitValues>
  readonly clients: Clients
  readonly underWay: UploadsUnderWay
  /** Those that are being received. */
  readonly uploads: UploadSlots
  readonly maxUploadFiles: number
  /** How many jobs of one user may wait, of services that limit it. */
  readonly mostQueued: ReadonlyMap<string, number>
}

/** `isNew` is false where the job was there already, under the same Idempotency-Key. */
type Uploaded = { readonly job: Job; readonly isNew: boolean }

/**
 * Takes an upload.
 *
 * @param access what who sends it may do.
 * @param key its Idempotency-Key, if it has one.
 * @returns the queued job, durable; or how the job is that came under this key before.
 * @throws Fault when it is refused; nothing is left of it then, and its key is free.
 */
export async function upload(
  context: UploadContext,
  parts: AsyncIterable<Part>,
  access: Access,
  key?: string,
): Promise<Uploaded> {
  using slot = context.uploads.take()
  await using reception = new Reception(context, slot, access, key)
  await reception.receive(parts)
  const { fields, digests, earlier } = reception
  const { read, faults } = readUploadFields(fields)
  const idempotency =
    key === undefined ? undefined : { key, fingerprint: fingerprintOf(read, digests) }
  if (earlier && idempotency) {
    if (faults.length > 0) throw new Fault('invalid', faults.join('; '))
    return tellEarlier(context, earlier, idempotency, access)
  }
  const { asked, workspace } = check(context, read, faults, reception.workspace)
  const id = context.store.reserveId()
  crashPoint('upload: id reserved')
  await context.files.publish(workspace, id)
  crashPoint('upload: published')
  const uploaded = await insert(
    context,
    { ...asked, id, isFlat: workspace.isFlat },
    access,
    idempotency,
  )
  crashPoint('upload: committed')
  return uploaded
}

/** Of two uploads under one key that came all the way here, the store decides which is the job. */
async function insert(
  context: UploadContext,
  newJob: NewJob,
  access: Access,
  idempotency: Idempotency | undefined,
): Promise<Uploaded> {
  const { store, files } = context
  const most = context.mostQueued.get(newJob.service)
  try {
    if (!idempotency) return { job: await store.insert(newJob, Date.now(), most), isNew: true }
    const inserted = await store.insertOnce(newJob, idempotency, Date.now(), most)
    if (inserted.isNew) return inserted
    await files.remove(newJob.id)
    return await tellEarlier(context, inserted, idempotency, access)
  } catch (error) {
    await files.remove(newJob.id)
    throw error
  }
}

/** @throws Fault `mismatch` if something else came under the key. */
async function tellEarlier(
  { store, clients }: UploadContext,
  earlier: KeyedJob,
  { key, fingerprint }: Idempotency,
  access: Access,
): Promise<Uploaded> {
  const { id } = earlier.job
  if (earlier.fingerprint !== fingerprint) {
    throw new Fault(
      'mismatch',
      `${reaches(access, earlier.job) ? `job ${id}` : 'another upload'} came under the Idempotency-Key ${JSON.stringify(key)} with other fields or ` +
        'files: send just the same again to be told of it, or another key for another job',
    )
  }
  const job = await findJob(store, id)
  crashPoint('upload: recognised')
  return { job: { ...job, message: statusMessage(clients, job) }, isNew: false }
}

/** What is asked for, and is more than the service allows. */
function beyond(asked: LimitValues, allowed: LimitValues = {}, service: string): string[] {
  return limitNames.flatMap((name) => {
    const [wanted, most] = [asked[name], allowed[name]]
    if (wanted === undefined || most === undefined || wanted <= most) return []
    const { field } = limitKinds[name]
    const told = `service "${service}" allows ${sayLimit(name, most)} at most`
    return `field "${field}": ${told}, not ${sayLimit(name, wanted)}`
  })
}

/** Everything that is wrong is told at once. */
function check(
  { services, limits, clients }: UploadContext,
  { userId, service, ...wishes }: UploadFields,
  fieldFaults: readonly string[],
  workspace: Workspace | undefined,
): { asked: Omit<NewJob, 'id' | 'isFlat'>; workspace: Workspace } {
  const faults = [...fieldFaults]
  if (service !== undefined && !services.has(service)) {
    const known = [...services].join(', ')
    faults.push(`service ${JSON.stringify(service.slice(0, 80))} is not known; there is: ${known}`)
  }
  if (service !== undefined) faults.push(...beyond(wishes.limits, limits.get(service), service))
  if (!workspace)
    faults.push('no file was sent: a file is a part with a filename (curl -F file=@run.sh)')
  else if (!workspace.has('run.sh')) {
    faults.push('there is no file run.sh at the top of the upload; it is what is run')
  }
  if (service !== undefined && workspace?.isFlat === false && clients.areAllOlder(service)) {
    faults.push(
      `the clients of service "${service}" are of version 2.2.3 and know no directories: send ` +
        'files without directories',
    )
  }
  if (faults.length > 0 || userId === undefined || service === undefined || !workspace) {
    throw new Fault('invalid', faults.join('; '))
  }
  return { asked: { userId, service, ...wishes }, workspace }
}
