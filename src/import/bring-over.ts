/** One job of 2.2.3: its files are copied, and it is said what it is here. */
import { join } from 'node:path'
import { messageOf } from '../domain/errors.ts'
import { safePath } from '../domain/names.ts'
import type { JobFiles } from '../files/job-files.ts'
import {
  changedAtMs,
  copyInputs,
  copyResult,
  filesIn,
  lookAtResult,
} from '../files/import-files.ts'
import type { ImportedJob } from '../store/sqlite/import.ts'
import type { OldJob } from '../store/sqlite/old-jobs.ts'
import { cannotRun, cutOff, fateOf, keepsNoReason, resultLost } from './fate.ts'

/** An old job with all that it must have. */
export type WholeOldJob = OldJob & { readonly userId: string; readonly service: string }

export type Places = {
  /** 2.2.3's data directory. */
  readonly data: string
  /** Where the files go; `undefined`: nothing is written. */
  readonly files: JobFiles | undefined
}

/** `trouble`: why it is not here what it was there. */
export type Brought = { readonly job: ImportedJob; readonly trouble?: string }

/** 2.2.3 puts a result among the uploaded files. */
const resultName = 'output.zip'

/**
 * Makes the files of a job durable, so that its row may be committed.
 *
 * @throws an error of the system or a Fault, where the operator can mend it.
 */
export async function bringOver(places: Places, old: WholeOldJob, nowMs: number): Promise<Brought> {
  const createdAtMs = old.createdAtMs ?? nowMs
  const common = {
    id: old.id,
    userId: old.userId,
    service: old.service,
    createdAtMs,
    oldStatus: old.status,
    payloadId: old.payloadId,
    message: '',
    result: null,
  }
  // What ends by being imported ends now; what had ended is as old as it was.
  const endNow = async (message: string): Promise<Brought> => {
    await keepInputs(places, old)
    return { job: { ...common, status: 'Failed', message, finalAtMs: nowMs }, trouble: message }
  }
  const fate = fateOf(old.status)
  switch (fate.is) {
    case 'completed': {
      const zip = join(directoryOf(places, old), resultName)
      const result = places.files
        ? await copyResult(places.files, old.id, zip)
        : await lookAtResult(zip)
      if ('damage' in result) return endNow(resultLost(result.damage))
      const endedAtMs = Math.min(nowMs, Math.max(createdAtMs, await changedAtMs(zip)))
      return { job: { ...common, status: 'Completed', result, finalAtMs: endedAtMs } }
    }
    case 'queued': {
      const why = await whyNotRunnable(places, old)
      if (why !== undefined) return endNow(cannotRun(why))
      await keepInputs(places, old)
      return { job: { ...common, status: 'Queued', finalAtMs: null } }
    }
    case 'ended':
      await keepInputs(places, old)
      return {
        job: { ...common, status: fate.status, message: keepsNoReason, finalAtMs: createdAtMs },
      }
    case 'cleaned':
      return {
        job: { ...common, status: 'Cleaned', message: keepsNoReason, finalAtMs: createdAtMs },
      }
    case 'cut off':
      return endNow(cutOff(old.status))
  }
}

/** A name that cannot be stands for a directory that is not there. */
function directoryOf({ data }: Places, { directory }: OldJob): string {
  return join(data, directory ?? '.no-such-directory')
}

/** Why our server could not send it to a client. */
async function whyNotRunnable(places: Places, old: OldJob): Promise<string | undefined> {
  const names = await filesIn(directoryOf(places, old))
  if (!names) return 'its directory is not there'
  if (!names.includes('run.sh')) return 'it has no file run.sh'
  try {
    for (const name of names) safePath(name)
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

/** The uploaded files, for `/download_partial` or to be run; none if they are gone. */
async function keepInputs(places: Places, old: OldJob): Promise<void> {
  if (!places.files) return
  const from = directoryOf(places, old)
  const names = (await filesIn(from)) ?? []
  // Before a job is sent, that name can only be an upload's.
  const inputs = names.filter((name) => name !== resultName || old.status === 'queued')
  await copyInputs(places.files, old.id, from, inputs)
}
