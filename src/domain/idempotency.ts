/**
 * Whether two uploads are the same: what they ask for and what they send, in whatever order and
 * words it came. `60` and `1min` are the same time, and a field that says what goes without saying
 * is as good as none.
 */
import { createHash } from 'node:crypto'
import { maskTokens } from './token.ts'
import type { UploadFields } from './upload-fields.ts'

/** A file of an upload: its path in the job, and the SHA-256 of its content. */
export type FileDigest = { readonly path: string; readonly sha256: string }

/** SHA-256 of an upload, in lower-case hexadecimal; all but whose it is. */
export function fingerprintOf(
  { service, scriptAttempts, maxRuntimeMs, limits }: Omit<UploadFields, 'userId'>,
  files: readonly FileDigest[],
): string {
  const content = {
    service,
    // Only what is asked for is said, so that fields of later versions change no fingerprint.
    ...(scriptAttempts > 1 && { scriptAttempts }),
    ...(maxRuntimeMs !== null && { maxRuntimeMs }),
    ...(Object.keys(limits).length > 0 && { limits }),
    files: files.map(({ path, sha256 }) => `${sha256} ${path}`).toSorted(),
  }
  return createHash('sha256').update(JSON.stringify(content)).digest('hex')
}

/**
 * Whether it can be an Idempotency-Key: visible ASCII, so no spaces. Two headers of that name come
 * as one with a comma and a space. Nor is it an API token: keys are kept, and told.
 */
export function isIdempotencyKey(text: string): boolean {
  return /^[!-~]{1,255}$/.test(text) && maskTokens(text) === text
}
