/** The text fields of an upload: what they may be, and what they mean. */
import { fromEach, limitKinds, limitNames } from './limits.ts'
import type { LimitValues } from './limits.ts'
import { isUserId } from './names.ts'
import { maskTokens } from './token.ts'
import { Wrong, parseDurationMs, parseWhole } from './units.ts'

/** Others may be there and mean nothing to us. */
export const uploadFieldNames: ReadonlySet<string> = new Set([
  'user_id',
  'service',
  'max_attempts',
  'max_runtime',
  ...limitNames.map((name) => limitKinds[name].field),
])

/** What an upload asks for; see `Job`. */
export type UploadFields = {
  /** `undefined` if it is missing or wrong. */
  readonly userId: string | undefined
  /** In lower case; it may be one that there is not. */
  readonly service: string | undefined
  readonly scriptAttempts: number
  readonly maxRuntimeMs: number | null
  readonly limits: LimitValues
}

/** Reads the fields, by their names, and says all that is wrong with them. */
export function readUploadFields(fields: ReadonlyMap<string, string>): {
  readonly read: UploadFields
  readonly faults: readonly string[]
} {
  const faults: string[] = []
  const userId = fields.get('user_id')
  if (userId === undefined) faults.push('field "user_id" is missing')
  else if (!isUserId(userId)) {
    faults.push('field "user_id" must be 1 to 128 characters out of A-Z a-z 0-9 . _ @ -')
  } else if (maskTokens(userId) !== userId) {
    // It would be kept, and told to others.
    faults.push('field "user_id" is an API token; it goes into the header Authorization alone')
  }
  const service = fields.get('service')?.toLowerCase()
  if (service === undefined) faults.push('field "service" is missing')

  /** One that may be left out. An empty one is no such: a script's variable may have been unset. */
  const readOptional = (name: string, parse: (text: string) => number | Wrong) => {
    const text = fields.get(name)
    if (text === undefined) return null
    const value = parse(text)
    if (!(value instanceof Wrong)) return value
    const got = JSON.stringify(text.slice(0, 80))
    faults.push(`field "${name}" must be ${value.expected}, not ${got}`)
    return null
  }
  const scriptAttempts = readOptional('max_attempts', parseWhole(1, 100)) ?? 1
  const maxRuntimeMs = readOptional('max_runtime', parseDurationMs)
  const limits = fromEach((name) => {
    const { field, parse } = limitKinds[name]
    return readOptional(field, parse) ?? undefined
  })
  return { read: { userId, service, scriptAttempts, maxRuntimeMs, limits }, faults }
}
