/** The beginning of a job: its files are on disk and its row is committed before anybody hears. */
import { Fault } from '../domain/errors.ts'
import type { Job } from '../domain/job.ts'
import { isUserId } from '../domain/names.ts'
import type { Part } from '../domain/part.ts'
import type { JobFiles } from '../files/job-files.ts'
import type { Workspace } from '../files/workspace.ts'
import type { JobStore } from '../store/jobs.ts'
import type { Clients } from './clients.ts'

export type UploadContext = {
  readonly store: JobStore
  readonly files: JobFiles
  /** Names of the services there are, in lower case. */
  readonly services: ReadonlySet<string>
  readonly clients: Pick<Clients, 'areAllOlder'>
}

type Fields = Map<string, string>

/** Others may be there and mean nothing to us. */
const ourFields = new Set(['user_id', 'service'])

/**
 * Takes an upload.
 *
 * @returns the queued job, durable.
 * @throws Fault when it is refused; nothing is left of it then.
 */
export async function upload(context: UploadContext, parts: AsyncIterable<Part>): Promise<Job> {
  const { store, files } = context
  const workspace = await files.receive()
  try {
    const fields = await receive(workspace, parts)
    const { userId, service } = check(context, fields, workspace)
    const id = store.reserveId()
    await files.publish(workspace, id)
    try {
      const { isFlat } = workspace
      return await store.insert({ id, userId, service, isFlat }, Date.now())
    } catch (error) {
      await files.remove(id)
      throw error
    }
  } finally {
    await workspace.discard()
  }
}

async function receive(workspace: Workspace, parts: AsyncIterable<Part>): Promise<Fields> {
  const fields: Fields = new Map()
  for await (const part of parts) {
    if (part.kind === 'file') await workspace.add(part.filename, part.content)
    else if (ourFields.has(part.name)) {
      if (fields.has(part.name)) throw new Fault('invalid', `field "${part.name}" was sent twice`)
      fields.set(part.name, part.value)
    }
  }
  return fields
}

/** Everything that is wrong is told at once. */
function check(
  { services, clients }: UploadContext,
  fields: Fields,
  workspace: Workspace,
): { userId: string; service: string } {
  const faults: string[] = []
  const userId = fields.get('user_id')
  if (userId === undefined) faults.push('field "user_id" is missing')
  else if (!isUserId(userId)) {
    faults.push('field "user_id" must be 1 to 128 characters out of A-Z a-z 0-9 . _ @ -')
  }
  const service = fields.get('service')?.toLowerCase()
  if (service === undefined) faults.push('field "service" is missing')
  else if (!services.has(service)) {
    const known = [...services].join(', ')
    faults.push(`service ${JSON.stringify(service.slice(0, 80))} is not known; there is: ${known}`)
  }
  if (workspace.fileCount === 0)
    faults.push('no file was sent: a file is a part with a filename (curl -F file=@run.sh)')
  else if (!workspace.has('run.sh')) {
    faults.push('there is no file run.sh at the top of the upload; it is what is run')
  }
  if (service !== undefined && !workspace.isFlat && clients.areAllOlder(service)) {
    faults.push(
      `the clients of service "${service}" are of version 2.2.3 and know no directories: send ` +
        'files without directories',
    )
  }
  if (faults.length > 0 || userId === undefined || service === undefined) {
    throw new Fault('invalid', faults.join('; '))
  }
  return { userId, service }
}
