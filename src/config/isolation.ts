/** What scripts may see and do, as the operator has it; looked at before all else. */
import { execFileSync } from 'node:child_process'
import { lstatSync, statSync } from 'node:fs'
import { isInside } from './real-path.ts'
import type { isolationModes } from './settings.ts'

/** A user of the system. */
type User = {
  /** As it was written. */
  readonly name: string
  readonly uid: number
  readonly gid: number
  /** It has a name, by which the system knows its further groups. */
  readonly isNamed: boolean
}

export type IsolationConfig = {
  readonly isolation: (typeof isolationModes)[number]
  /** Services whose scripts may use the network; `*`: all. */
  readonly allowNetwork: readonly string[]
  readonly bindRo: readonly string[]
  readonly bindDev: readonly string[]
  /** `null`: not said. */
  readonly runAs: User | null
}

/** Settings as they were given; what was not given is not there. */
type Given = {
  readonly dataPath?: string
  readonly isolation: IsolationConfig['isolation']
  readonly allowNetwork?: readonly string[]
  readonly bindRo?: readonly string[]
  readonly bindDev?: readonly string[]
  readonly runAs?: string
}

/** A sandbox has its own here. */
const taken = new Set(['/', '/dev', '/proc', '/sys', '/tmp', '/var/tmp', '/work', '/home/job'])

/** Looks at what was named, so that what is wrong with it is told with all other faults. */
export function readIsolation(given: Given, faults: string[]): IsolationConfig {
  const { isolation, allowNetwork = [], bindRo = [], bindDev = [], runAs } = given
  if (isolation === 'none') {
    const idle = { ALLOW_NETWORK: allowNetwork, BIND_RO: bindRo, BIND_DEV: bindDev }
    for (const [name, values] of Object.entries(idle)) {
      if (values.length > 0) faults.push(`${name} means nothing with ISOLATION=none`)
    }
  }
  for (const path of bindRo) {
    const why = whyNotBound(path, given.dataPath ?? '')
    if (why !== undefined) faults.push(`BIND_RO: ${path} ${why}`)
  }
  for (const path of bindDev) {
    const why = whyNoDevice(path)
    if (why !== undefined) faults.push(`BIND_DEV: ${path} ${why}`)
  }
  return {
    isolation,
    allowNetwork,
    bindRo,
    bindDev,
    runAs: runAs === undefined ? null : readUser(runAs, faults),
  }
}

function whyNotBound(path: string, dataPath: string): string | undefined {
  if (taken.has(path)) return 'is where scripts have their own'
  const stats = statSync(path, { throwIfNoEntry: false })
  if (!stats) return 'is not there'
  if (!stats.isDirectory() && !stats.isFile()) return 'is neither a file nor a directory'
  const isNear = isInside(path, dataPath) || isInside(dataPath, path)
  return isNear ? 'would show scripts what the client keeps in DATA_PATH' : undefined
}

function whyNoDevice(path: string): string | undefined {
  if (!path.startsWith('/dev/')) return 'is not below /dev'
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (!stats) return 'is not there'
  // A directory of devices, such as /dev/dri, is fine; a disk is none of a script's business.
  return stats.isCharacterDevice() || stats.isDirectory() ? undefined : 'is no character device'
}

function readUser(text: string, faults: string[]): User | null {
  if (process.getuid?.() !== 0) {
    faults.push('RUN_AS: only a client that runs as root can run scripts as another user')
    return null
  }
  const [user = '', group] = text.split(':')
  const isNamed = !/^\d+$/.test(user)
  const uid = isNamed ? ask('id', '-u', user) : Number(user)
  const own = isNamed ? ask('id', '-g', user) : uid
  const gid = group === undefined ? own : groupOf(group)
  if (uid === undefined) faults.push(`RUN_AS: there is no user ${user}`)
  else if (gid === undefined) faults.push(`RUN_AS: there is no group ${group ?? ''}`)
  else if (uid === 0 || gid === 0) faults.push('RUN_AS: scripts are not run as root')
  else return { name: text, uid, gid, isNamed }
  return null
}

function groupOf(group: string): number | undefined {
  return /^\d+$/.test(group) ? Number(group) : ask('getent', 'group', group)
}

/** The first number that a command tells. */
function ask(command: string, ...args: readonly string[]): number | undefined {
  try {
    const said = execFileSync(command, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const number = /(?<=^|:)\d+/m.exec(said)?.[0]
    return number === undefined ? undefined : Number(number)
  } catch {
    return undefined
  }
}
