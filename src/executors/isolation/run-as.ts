/** As whom scripts run, where the client is root and may choose. */
import { readdirSync } from 'node:fs'
import { chmod, chown, lchown } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { PayloadPaths } from '../../files/payload-files.ts'

/** Where a payload's script may write, and what all of that is in. */
export type OwnPaths = Pick<PayloadPaths, 'directory' | 'work' | 'home' | 'tmp'>

/** A user of the system, as RUN_AS names it. */
export type RunAs = {
  /** As it was written. */
  readonly name: string
  readonly uid: number
  readonly gid: number
  /** It has a name, by which the system knows its further groups. */
  readonly isNamed: boolean
}

/** Users that no system gives to anybody (systemd's UIDS-GIDS, "unused"): one for each payload. */
const firstPayloadUser = 1_900_000_000
const payloadUsers = 100_000_000

/** Payloads are numbered one after the other: no two that are there at a time share a user. */
export function userOfPayload(id: number): RunAs {
  const uid = firstPayloadUser + (id % payloadUsers)
  return { name: String(uid), uid, gid: uid, isNamed: false }
}

/** The command that becomes another user and then what follows. */
export function commandOf({ name, uid, gid, isNamed }: RunAs): string[] {
  const groups = isNamed ? '--init-groups' : '--clear-groups'
  const [user = String(uid)] = isNamed ? name.split(':') : [String(uid)]
  return ['setpriv', `--reuid=${user}`, `--regid=${gid}`, groups, '--']
}

/** So many files are given away before somebody else may do something. */
const atATime = 100

/**
 * Gives a payload's files to the user that its script runs as. What stands beside them, the records
 * among it, stays root's: that user may pass through there, and see nothing.
 */
export async function giveAway(paths: OwnPaths, { uid, gid }: RunAs): Promise<void> {
  await chown(paths.directory, process.getuid?.() ?? 0, gid)
  await chmod(paths.directory, 0o710)
  for (const directory of [paths.work, paths.home, paths.tmp]) {
    await giveTree(directory, uid, gid)
    await chmod(directory, 0o700)
  }
}

/** No script has run there yet: there is nothing but what was uploaded. */
async function giveTree(directory: string, uid: number, gid: number): Promise<void> {
  await lchown(directory, uid, gid)
  for (const [index, entry] of readdirSync(directory, { withFileTypes: true }).entries()) {
    const path = join(directory, entry.name)
    await (entry.isDirectory() ? giveTree(path, uid, gid) : lchown(path, uid, gid))
    if (index % atATime === atATime - 1) await setImmediate()
  }
}
