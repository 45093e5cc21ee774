/** What is noted beside a payload of how its script is kept apart, by our shell and by bubblewrap. */
import type { PayloadPaths } from '../../files/payload-files.ts'
import { readIfThere } from '../../files/read.ts'

/** How a script is kept apart from everything else; told in its `job.json`. */
export type Confinement = {
  readonly by: 'bwrap' | 'none'
  /** Whether it may use the network. */
  readonly network: boolean
  /** As whom it runs. */
  readonly user: string
}

/** What is said of the user that the client runs as. */
export const ownUser = "the client's"

export type SandboxRecord = {
  readonly confinement: Confinement
  /** The first process inside, by its id outside. */
  readonly firstPid?: number
  /** Its PID namespace, by the number that the kernel has given it. */
  readonly pidNamespace?: number
  /** How the script ended; there when it had been started. */
  readonly exitCode?: number
}

/**
 * Our shell's line comes first, then bubblewrap's (`--json-status-fd`), then blanks.
 *
 * @returns `undefined` where a script is not kept apart, or was not started.
 */
export function readSandbox(file: string): SandboxRecord | undefined {
  const [first, ...lines] = (readIfThere(file) ?? '').split('\n')
  const confinement = parse(first ?? '')
  if (!confinement) return undefined
  const told = Object.assign({}, ...lines.map(parse)) as Record<string, number | undefined>
  const { 'child-pid': firstPid, 'pid-namespace': pidNamespace, 'exit-code': exitCode } = told
  return {
    confinement: confinement as Confinement,
    ...(firstPid !== undefined && { firstPid }),
    ...(pidNamespace !== undefined && { pidNamespace }),
    ...(exitCode !== undefined && { exitCode }),
  }
}

/** How a payload's script was kept apart; `null` if it was not started. */
export function readConfinement({ start, sandbox }: PayloadPaths): Confinement | null {
  const noted = readSandbox(sandbox)?.confinement
  if (noted) return noted
  return readIfThere(start) === undefined ? null : { by: 'none', network: true, user: ownUser }
}

function parse(line: string): object | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined // blanks, or a line that is being written
  }
}
