/**
 * Which cgroups this client may make (cgroups(7)): one for each payload, below the one that it is in
 * itself, so that what bounds the client bounds its scripts, too.
 *
 * Version 2 has one tree. In version 1 each controller has its own; where both are mounted, a
 * controller is in one of them.
 */
import {
  accessSync,
  constants,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { systemCode } from '../../domain/errors.ts'

/** Directories in which cgroups of payloads can be made. */
export type Trees = {
  /** Version 2, and which of its controllers bound what is made there. */
  readonly v2: { readonly parent: string; readonly controllers: ReadonlySet<string> } | undefined
  /** Version 1, by controller. */
  readonly v1: ReadonlyMap<V1Controller, string>
}

const v1Controllers = ['pids', 'memory', 'cpuacct'] as const
export type V1Controller = (typeof v1Controllers)[number]

export const noTrees: Trees = { v2: undefined, v1: new Map() }

type Mount = {
  readonly root: string
  readonly at: string
  readonly type: string
  readonly options: readonly string[]
}

/**
 * Looks for what may be written.
 *
 * @param prefix with which the names of our cgroups begin.
 */
export function findTrees(prefix: string): Trees {
  const mounts = readMounts()
  const own = readOwn()
  const v1 = new Map<V1Controller, string>()
  for (const controller of v1Controllers) {
    const mount = mounts.find(
      ({ type, options }) => type === 'cgroup' && options.includes(controller),
    )
    const parent = mount && ownDirectory(mount, own.get(controller))
    if (parent !== undefined && mayMake(parent, prefix)) v1.set(controller, parent)
  }
  const unified = mounts.find(({ type }) => type === 'cgroup2')
  const inside = unified && ownDirectory(unified, own.get(''))
  const parent =
    inside !== undefined && inside.endsWith(leafName(prefix)) ? join(inside, '..') : inside
  if (parent === undefined || !mayMake(parent, prefix)) return { v2: undefined, v1 }
  return { v2: { parent, controllers: delegate(parent, prefix) }, v1 }
}

/** Names of what is in a directory; none where it is gone. */
export function childrenOf(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

/** Where this client itself is, in version 2: a cgroup that bounds others may hold no process. */
function leafName(prefix: string): string {
  return `${prefix}client`
}

/**
 * Has controllers bound what is made in a cgroup of version 2.
 *
 * @returns those that do.
 */
function delegate(parent: string, prefix: string): ReadonlySet<string> {
  const wanted = ['memory', 'pids', 'cpu']
  const read = (name: string) => readFileSync(join(parent, name), 'latin1').trim().split(' ')
  const bounding = () => wanted.filter((one) => read('cgroup.subtree_control').includes(one))
  const missing = wanted.filter((one) => read('cgroup.controllers').includes(one))
  if (missing.every((one) => bounding().includes(one))) return new Set(bounding())
  try {
    const leaf = join(parent, leafName(prefix))
    mkdirSync(leaf, { recursive: true })
    writeFileSync(join(leaf, 'cgroup.procs'), String(process.pid))
    writeFileSync(join(parent, 'cgroup.subtree_control'), missing.map((one) => `+${one}`).join(' '))
  } catch {
    // Other processes are in it, or it was not given to us: what was set before has to do.
  }
  return new Set(bounding())
}

/** Whether a cgroup can be made there, and processes put into it. */
function mayMake(parent: string, prefix: string): boolean {
  const probe = join(parent, `${prefix}probe.${process.pid}`)
  try {
    accessSync(join(parent, 'cgroup.procs'), constants.W_OK)
    mkdirSync(probe)
    rmdirSync(probe)
    return true
  } catch (error) {
    return systemCode(error) === 'EEXIST'
  }
}

/** Where a cgroup of ours is, as a directory. */
function ownDirectory({ root, at }: Mount, path: string | undefined): string | undefined {
  if (path === undefined) return undefined
  const inside = relative(root, path)
  // It is outside of what is mounted here; in a container that is what is mounted.
  return inside.startsWith('..') ? at : join(at, inside)
}

/** The cgroups that this process is in, by controller; version 2 has none. */
function readOwn(): Map<string, string> {
  const own = new Map<string, string>()
  for (const line of linesOf('/proc/self/cgroup')) {
    const [, controllers = '', ...path] = line.split(':')
    for (const controller of controllers.split(',')) own.set(controller, path.join(':'))
  }
  return own
}

/** proc_pid_mountinfo(5) */
function readMounts(): Mount[] {
  return linesOf('/proc/self/mountinfo').map((line) => {
    const [mount = '', source = ''] = line.split(' - ')
    const [, , , root = '/', at = ''] = mount.split(' ').map(unescape)
    const [type = '', , options = ''] = source.split(' ')
    return { root, at, type, options: options.split(',') }
  })
}

function unescape(text: string): string {
  return text.replaceAll(/\\(\d{3})/g, (_, digits: string) =>
    String.fromCodePoint(Number.parseInt(digits, 8)),
  )
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n').filter(Boolean)
  } catch {
    return [] // no /proc
  }
}
