/** The last step of a payload: its work directory becomes one ZIP, once, and the payload is final. */
import { rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { crashPoint } from '../crash-points.ts'
import { isOfDisk, messageOf } from '../domain/errors.ts'
import type { Ending } from '../domain/job.ts'
import { inUnit, limitKinds } from '../domain/limits.ts'
import type { LimitName } from '../domain/limits.ts'
import { ownDirectory } from '../domain/names.ts'
import { signalOf } from '../domain/payload.ts'
import type { Exit, Payload } from '../domain/payload.ts'
import { readConfinement } from '../executors/isolation/record.ts'
import type { Confinement } from '../executors/isolation/record.ts'
import type { Usage } from '../domain/usage.ts'
import { archive } from '../files/archive.ts'
import type { Extra } from '../files/archive.ts'
import { write } from '../files/durable.ts'
import { ifSmall } from '../files/small.ts'
import { removeTree } from '../files/remove.ts'
import type { PayloadPaths } from '../files/payload-files.ts'
import type { LeftOut } from '../files/walk.ts'
import { step } from './changes.ts'
import type { ClientContext } from './context.ts'

export type Verdict = { readonly status: Ending; readonly message: string }

/** A disk may have room again soon, or be well; after so many tries the script's files are given up. */
const mostTries = 3
const retryMs = 5_000

/**
 * Packs, makes the result durable, and only then says that the payload has ended.
 *
 * When the files cannot be packed, the payload fails with the reason, and with its logs alone.
 */
export async function pack(
  context: ClientContext,
  payload: Payload,
  verdict: Verdict,
  exit: Exit | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { files, smallResults, log } = context
  const { id } = payload
  const paths = files.paths(id)
  const endedAtMs = Date.now()
  let final = verdict
  let root: string | null = paths.work
  for (let failures = 0; ;) {
    const extras = (leftOut: readonly LeftOut[]) =>
      ownFiles(paths, describe(payload, final, exit, endedAtMs, leftOut, readConfinement(paths)))
    try {
      const { startedAtMs, origin } = payload
      const { small, content } = await ifSmall(archive(root, extras, context.packLimits))
      const packed = small && origin ? small : await write(paths.result, content)
      crashPoint('pack: packed')
      const { result } = packed
      const outcome = { ...final, startedAtMs, endedAtMs, result }
      if ('zip' in packed) {
        smallResults.hold(id, outcome, packed.zip)
        crashPoint('pack: held')
      } else {
        await files.writeOutcome(id, outcome, packed.file)
        crashPoint('pack: durable')
      }
      const change = { message: final.message, endedAtMs, result }
      step(context, id, payload.status, final.status, change, small?.zip)
      crashPoint('pack: told')
      return
    } catch (error) {
      log.error({ err: error, payload: id }, `payload ${id} could not be packed`)
      await rm(paths.result, { force: true }).catch(() => {})
      if (root === null || (isOfDisk(error) && ++failures < mostTries)) {
        await delay(retryMs, undefined, { signal })
        continue
      }
      final = withoutFiles(verdict, tell(error, paths))
      root = null
      // Perhaps it is what fills the disk, and nobody will see it any more.
      await removeTree(paths.work)
    }
  }
}

/** A script that was ended stays so; no other has completed. */
function withoutFiles({ status, message }: Verdict, why: string): Verdict {
  const said = message === '' ? '' : `${message}; `
  return {
    status: status === 'Killed' ? status : 'Failed',
    message: `${said}the result could not be packed: ${why}`,
  }
}

/** Names the disk, if it was that. */
function tell(error: unknown, { directory }: PayloadPaths): string {
  const message = messageOf(error)
  return isOfDisk(error) ? `${message} (the disk of its client, in ${directory})` : message
}

/** What of ours is in a result. */
function ownFiles(paths: PayloadPaths, description: unknown): readonly Extra[] {
  return [
    ...logFiles(paths),
    { path: `${ownDirectory}/job.json`, text: `${JSON.stringify(description, null, 2)}\n` },
  ]
}

/** The script's output, as it goes into results. */
export function logFiles(paths: PayloadPaths): readonly Extra[] {
  return [
    { path: `${ownDirectory}/stdout.log`, file: paths.stdout },
    { path: `${ownDirectory}/stderr.log`, file: paths.stderr },
  ]
}

/** What was used, and what was enforced and by what. */
function describeUsage(usage: Usage | undefined) {
  if (!usage) return {}
  const { peakMemoryBytes, bytesWritten, limits, hits, endedBy } = usage
  const told = Object.entries(limits).map(([key, { most, of, by }]) => {
    const name = key as LimitName
    const { short, unit } = limitKinds[name]
    return [short, { [unit]: inUnit(name, most), of, by, ...(hits[name] && { hits: hits[name] }) }]
  })
  return { peakMemoryBytes, bytesWritten, limits: Object.fromEntries(told) as unknown, endedBy }
}

/** `.orchestrator/job.json`. */
function describe(
  { id, origin, receivedAtMs, startedAtMs }: Payload,
  { status, message }: Verdict,
  exit: Exit | undefined,
  endedAtMs: number,
  leftOut: readonly LeftOut[],
  isolation: Confinement | null,
) {
  const exitCode = exit?.exitCode ?? null
  return {
    job: origin?.jobId ?? null,
    user: origin?.userId ?? null,
    service: origin?.service ?? null,
    attempt: origin?.attempt ?? null,
    payload: id,
    status,
    reason: message,
    exitCode,
    signal: (exitCode !== null && signalOf(exitCode)) || null,
    cpuSeconds: exit?.cpuSeconds ?? null,
    ...describeUsage(exit?.usage),
    receivedAt: new Date(receivedAtMs).toISOString(),
    startedAt: startedAtMs === null ? null : new Date(startedAtMs).toISOString(),
    endedAt: new Date(endedAtMs).toISOString(),
    isolation,
    leftOut,
  }
}
