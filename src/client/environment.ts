/** The environment of scripts: what the design names and what the operator lets through. */
import type { Payload } from '../domain/payload.ts'
import type { PayloadPaths } from '../files/payload-files.ts'

const usualPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/**
 * What all scripts of a client get.
 *
 * @param passed names of the daemon's variables to hand on; those that are not set are not.
 */
export function commonEnvironment(
  passed: readonly string[],
  daemon: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const common: Record<string, string> = { PATH: daemon['PATH'] ?? usualPath, LANG: 'C.UTF-8' }
  for (const name of passed) {
    const value = daemon[name]
    // The configuration does not let it through; nobody is to find out what if it did.
    if (value !== undefined && !name.startsWith('CLUSTER_SECRET')) common[name] = value
  }
  return common
}

/** What is in the environment of one script alone. */
export function ownEnvironment(
  { id, origin }: Payload,
  paths: PayloadPaths,
): Record<string, string> {
  return {
    HOME: paths.home,
    TMPDIR: paths.tmp,
    // A 2.2.3 server says nothing of its job.
    JOB_ID: String(origin?.jobId ?? id),
    USER_ID: origin?.userId ?? '',
    SERVICE: origin?.service ?? '',
    ATTEMPT: String(origin?.attempt ?? 1),
  }
}
