/**
 * Where attempts at our own clients have the client's instance, those at a client of version 2.2.3
 * have one of its lives: such a client has no instance, and our server names its lives itself.
 */
const prefix = '2.2.3-'

/** The name of a new life. @param token random. */
export function olderLife(token: string): string {
  return prefix + token
}

/** Whether an attempt's `instance` is a life of a client of version 2.2.3. */
export function isOlderLife(instance: string | null): boolean {
  return instance?.startsWith(prefix) ?? false
}
