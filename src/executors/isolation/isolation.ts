/** How the scripts of a client are kept apart: what each of them is started through. */
import { join } from 'node:path'
import type { Task } from '../executor.ts'
import { ownUser } from './record.ts'
import type { Confinement } from './record.ts'
import { commandOf, giveAway, userOfPayload } from './run-as.ts'
import type { OwnPaths, RunAs } from './run-as.ts'
import { inside, insideUser, networkSettings } from './system-view.ts'

/** What the supervising shell is told of it; see `supervisor.ts`. */
export type Launch = {
  /** The `Confinement`, in JSON: the first line of the payload's sandbox record. */
  readonly note: string
  /** Directory of what bubblewrap reads; empty: there is no bubblewrap. */
  readonly filesDirectory: string
  /** The command that starts what follows. */
  readonly words: readonly string[]
}

export type Isolation = {
  readonly by: Confinement['by']
  /** Services whose scripts may use the network; `*`: all. */
  readonly allowNetwork: readonly string[]
  /** As whom scripts run; `null`: as the client's user. */
  readonly runAs: RunAs | 'one per payload' | null
  /** What bubblewrap reads; see `sandbox-files.ts`. */
  readonly filesDirectory: string
  /** Also without the filter of system calls there is no namespace in a namespace. */
  readonly canDisableUserNamespaces: boolean
}

/** Scripts run as they are, as the client's user. */
export const noIsolation: Isolation = {
  by: 'none',
  allowNetwork: ['*'],
  runAs: null,
  filesDirectory: '',
  canDisableUserNamespaces: false,
}

/** Of a payload, all that matters here. */
export type Confined = Pick<Task, 'id' | 'service'> & { readonly paths: OwnPaths }

/**
 * Makes a payload's files its script's, and says what that is to be started through.
 *
 * @returns `undefined` where it is started as it is.
 */
export async function launchOf(isolation: Isolation, task: Confined): Promise<Launch | undefined> {
  const user = userOf(isolation, task)
  if (isolation.by === 'none' && !user) return undefined
  if (user) await giveAway(task.paths, user)
  const become = user ? commandOf(user) : []
  const note = JSON.stringify(confinementOf(isolation, task))
  if (isolation.by === 'none') return { note, filesDirectory: '', words: become }
  const words = [...become, ...bubblewrap(isolation, task)]
  return { note, filesDirectory: isolation.filesDirectory, words }
}

function confinementOf(isolation: Isolation, task: Confined): Confinement {
  return {
    by: isolation.by,
    network: isolation.by === 'none' || mayUseNetwork(isolation, task),
    user: userOf(isolation, task)?.name ?? ownUser,
  }
}

function userOf({ runAs }: Isolation, { id }: Confined): RunAs | null {
  return runAs === 'one per payload' ? userOfPayload(id) : runAs
}

function mayUseNetwork({ allowNetwork }: Isolation, { service }: Confined): boolean {
  return allowNetwork.includes('*') || (service !== null && allowNetwork.includes(service))
}

/**
 * The first process inside. It waits for the script, so that the script's times count and its end is
 * the end of all; a first process hears no signal that it does not await, which a script has to.
 * What a shell says of how a child ended is not for the script's log.
 */
const first = 'exec 3>&2 2>/dev/null; "$@" 2>&3 3>&-; exit $?'

/** Descriptors that the supervising shell opens for it. */
export const descriptors = { status: 5, view: 8, filter: 9 } as const

function bubblewrap(isolation: Isolation, task: Confined): string[] {
  const { work, home, tmp } = task.paths
  const user = String(insideUser.id)
  return [
    // It is our shell's child, and ends with it, and so does all that is inside.
    ['bwrap', '--die-with-parent', '--new-session', '--as-pid-1', '--cap-drop', 'ALL'],
    ['--unshare-user', '--unshare-ipc', '--unshare-pid', '--unshare-uts', '--unshare-cgroup-try'],
    isolation.canDisableUserNamespaces ? ['--disable-userns'] : [],
    ['--uid', user, '--gid', user],
    ['--bind', work, inside.work, '--bind', home, inside.home, '--bind', tmp, inside.tmp],
    ['--args', String(descriptors.view)],
    network(mayUseNetwork(isolation, task), isolation.filesDirectory),
    ['--remount-ro', '/', '--chdir', inside.work],
    ['--setenv', 'HOME', inside.home, '--setenv', 'TMPDIR', inside.tmp],
    ['--seccomp', String(descriptors.filter), '--json-status-fd', String(descriptors.status)],
    ['--', 'sh', '-c', first, 'sh'],
  ].flat()
}

function network(isAllowed: boolean, filesDirectory: string): string[] {
  if (!isAllowed) return ['--unshare-net', '--ro-bind', join(filesDirectory, 'hosts'), '/etc/hosts']
  return ['/etc/hosts', ...networkSettings].flatMap((path) => ['--ro-bind-try', path, path])
}
