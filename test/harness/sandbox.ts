/** Clients that keep their scripts apart. */
import { ensureCommand } from './debian.ts'
import { Lab } from './lab.ts'

/** @returns why scripts cannot be kept apart here; `undefined` if they can. */
export async function whyNoSandbox(): Promise<string | undefined> {
  return (
    (await ensureCommand('bwrap', 'bubblewrap')) ?? (await ensureCommand('setpriv', 'util-linux'))
  )
}

/** A lab whose clients have isolation on, where they do not say otherwise. */
export async function sandboxLab(): Promise<Lab> {
  return Lab.create(undefined, 'bwrap')
}
