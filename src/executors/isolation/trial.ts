/** Finds out whether scripts can be kept apart here, by doing it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { messageOf } from '../../domain/errors.ts'
import { makeDirectories } from '../../files/directories.ts'
import { pathsIn } from '../../files/payload-files.ts'
import { descriptors, launchOf } from './isolation.ts'
import type { Isolation } from './isolation.ts'
import { inside } from './system-view.ts'

/** As the supervising shell does it. */
const { status, view, filter } = descriptors
const open = `exec ${status}<>"$1"; [[ -z $2 ]] || exec ${view}<"$2/view" ${filter}<"$2/filter"; shift 2; exec "$@"`

/** What a script can do, and that there is a filter. */
const insideTrial = `
for place in ${inside.work} ${inside.home} ${inside.tmp}; do echo >"$place/trial" || exit 1; done
while read -r key value; do [[ $key != Seccomp: ]] || filters=$value; done </proc/self/status
[[ $filters == 2 ]] || { echo 'no filter of system calls' >&2; exit 1; }
`
/** Only as another user. */
const plainTrial = 'echo >"$HOME/trial"'

const longestMs = 20_000

/** @returns `undefined` when it works; else what is in the way, and what to do. */
export async function whyNot(isolation: Isolation, directory: string): Promise<string | undefined> {
  const trial = join(directory, 'trial')
  const paths = pathsIn(trial)
  try {
    await rm(trial, { recursive: true, force: true })
    for (const path of [paths.work, paths.home, paths.tmp]) makeDirectories(path)
    const launch = await launchOf(isolation, { id: 0, service: null, paths })
    if (!launch) return undefined
    const script = isolation.by === 'none' ? plainTrial : insideTrial
    const command = [...launch.words, 'bash', '-c', script]
    const child = spawn(
      'bash',
      ['-c', open, 'bash', paths.sandbox, launch.filesDirectory, ...command],
      {
        cwd: '/',
        env: { PATH: process.env['PATH'], HOME: paths.home, TMPDIR: paths.tmp },
        stdio: ['ignore', 'ignore', 'pipe'],
        timeout: longestMs,
        killSignal: 'SIGKILL',
      },
    )
    const [said] = await Promise.all([text(child.stderr), once(child, 'close')])
    return child.exitCode === 0 ? undefined : explain(said.trim(), trial, isolation)
  } catch (error) {
    return messageOf(error)
  } finally {
    await rm(trial, { recursive: true, force: true })
  }
}

function explain(said: string, trial: string, { runAs }: Isolation): string {
  const why = said.split('\n').at(-1) ?? ''
  if (/bwrap.*not found|failed to execute bwrap/i.test(said)) {
    return 'bubblewrap is not installed (the package bubblewrap)'
  }
  if (/setpriv.*not found/i.test(said)) return 'setpriv is not installed (the package util-linux)'
  if (/permission denied/i.test(why) && runAs !== null) {
    const closed = closedAbove(trial)
    if (closed !== undefined) {
      return `scripts run as another user, who cannot pass through ${closed}: chmod o+x ${closed}`
    }
  }
  if (/namespace|uid map|userns/i.test(why)) {
    return (
      `${why}: this system gives users no user namespaces ` +
      '(sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns, ' +
      'user.max_user_namespaces)'
    )
  }
  return why === '' ? 'bubblewrap ended without a word' : why
}

/** The uppermost directory on the way that others may not pass. */
function closedAbove(path: string): string | undefined {
  const above = dirname(path)
  if (above === path) return undefined
  const closed = closedAbove(above)
  return closed ?? ((statSync(above).mode & 0o001) === 0 ? above : undefined)
}
