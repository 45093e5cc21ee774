/** As whom scripts run, where the client is root and may choose. */
import {
  chmodSync,
  chownSync,
  closeSync,
  fchownSync,
  lchownSync,
  openSync,
  readdirSync,
} from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { PayloadPaths } from '../../files/payload-files.ts'
import { readProc } from '../processes.ts'

/** Where a payload's script may write, and what all of that is in. */
export type OwnPaths = Pick<
  PayloadPaths,
  'directory' | 'work' | 'home' | 'tmp' | 'stdout' | 'stderr'
>

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

/** Whether there are users for payloads: in a user namespace there may be root alone. */
export function hasPayloadUsers(): boolean {
  return ['uid_map', 'gid_map'].every((name) => {
    const ranges = (readProc(`/proc/self/${name}`) ?? '').trim().split('\n')
    return ranges.some((range) => {
      const [first = 0, , count = 0] = range.trim().split(/\s+/).map(Number)
      return first <= firstPayloadUser && first + count >= firstPayloadUser + payloadUsers
    })
  })
}

/** So many files are given away before somebody else may do something. */
const atATime = 100

/**
 * Gives a payload's files to the user that its script runs as. What stands beside them, the records
 * among it, stays root's: that user may pass through there, and see nothing. Its two logs are its own
 * as well, so that it can open what it already writes to once more, as /dev/stderr.
 */
export async function giveAway(paths: OwnPaths, { uid, gid }: RunAs): Promise<void> {
  chownSync(paths.directory, process.getuid?.() ?? 0, gid)
  chmodSync(paths.directory, 0o710)
  for (const log of [paths.stdout, paths.stderr]) {
    const descriptor = openSync(log, 'a', 0o600)
    fchownSync(descriptor, uid, gid)
    closeSync(descriptor)
  }
  for (const directory of [paths.work, paths.home, paths.tmp]) {
    await giveTree(directory, uid, gid)
    chmodSync(directory, 0o700)
  }
}

/** No script has run there yet: there is nothing but what was uploaded. */
async function giveTree(directory: string, uid: number, gid: number): Promise<void> {
  lchownSync(directory, uid, gid)
  for (const [index, entry] of readdirSync(directory, { withFileTypes: true }).entries()) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) await giveTree(path, uid, gid)
    else lchownSync(path, uid, gid)
    if (index % atATime === atATime - 1) await setImmediate()
  }
}
