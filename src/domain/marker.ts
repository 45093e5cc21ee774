/**
 * What makes a payload of a 2.2.3 client known again. Such a client has neither keys nor
 * instances, and its ids begin again at 1 when its database is gone; so a small file goes along
 * with each payload, and only a result that has it is the payload's.
 */

export type Marker = { readonly name: string; readonly content: string }

/** What scripts for such a client write their exit code to, and where it looks for it. */
export const exitFile = '.orchestrator.exit'

const prefix = '.job-orchestrator-'

/** The marker of an attempt: a name and a content that nobody can guess, from its random key. */
export function markerOf(key: string): Marker {
  const token = key.slice(key.indexOf('-') + 1)
  const half = token.length / 2
  return { name: prefix + token.slice(0, half), content: token.slice(half) }
}

/** Whether a file is the marker of some attempt. */
export function isMarkerName(name: string): boolean {
  return name.startsWith(prefix) && /^[0-9a-f]{16}$/.test(name.slice(prefix.length))
}
