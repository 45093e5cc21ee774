/**
 * Named places at which a test may have this process killed, as by `kill -9` or a fault of ours
 * that nobody foresaw. They stand where something has changed, or is about to change, on the disk,
 * in a database or on the wire; docs/reliability.md lists them, and test/crash-server.test.ts and
 * test/crash-client.test.ts die at each.
 *
 * Outside of tests they do nothing, and cost a comparison.
 */
import { crashPoints } from './crash-points/points.ts'
import type { CrashPoint } from './crash-points/points.ts'

/** Says where to die: `NAME` or `NAME@N`, at its N-th passage. */
export const crashVariable = 'JOB_ORCHESTRATOR_CRASH_AT'
/** Has to be `1` for the other to be obeyed. */
export const underTestVariable = 'JOB_ORCHESTRATOR_UNDER_TEST'

type Environment = Readonly<Record<string, string | undefined>>

let wanted: { readonly name: string; left: number } | undefined

/**
 * Arms the point that the environment names, if it names one.
 *
 * @returns why the environment is refused; `undefined` if it is not.
 */
export function armCrashPoint(environment: Environment): string | undefined {
  const text = environment[crashVariable]
  if (text === undefined || text === '') return undefined
  if (environment[underTestVariable] !== '1') {
    return `${crashVariable} kills this program, and is for its tests alone: unset it`
  }
  const [, name = '', passage = '1'] = /^(.*?)(?:@([1-9]\d*))?$/.exec(text) ?? []
  if (!Object.hasOwn(crashPoints, name)) {
    return `${crashVariable} is ${JSON.stringify(text)}, which is no crash point and no NAME@N`
  }
  wanted = { name, left: Number(passage) }
  return undefined
}

/** Dies here, without a last word, if a test wants it so. */
export function crashPoint(name: CrashPoint): void {
  if (wanted?.name !== name || --wanted.left > 0) return
  process.kill(process.pid, 'SIGKILL')
}
