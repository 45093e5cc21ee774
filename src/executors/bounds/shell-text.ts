/** What a supervising shell does to bound a script, in the process that becomes it. */
import type { LimitValues } from '../../domain/limits.ts'

/** The limit after which the process is not asked any more, but killed. */
const graceSeconds = 5

/**
 * Commands of builtins alone. They fail where a process cannot be put into its cgroups: it is not to go
 * on then. A limit that the system has set lower stays as it is.
 *
 * @param cgroups directories.
 */
export function shellText(cgroups: readonly string[], limits: LimitValues): string {
  const { openFiles, cpuTimeMs, fileSizeBytes, diskBytes } = limits
  // No file is larger than all of them may be.
  const fileBytes = Math.min(fileSizeBytes ?? Infinity, diskBytes ?? Infinity)
  const cpuSeconds = cpuTimeMs === undefined ? Infinity : Math.ceil(cpuTimeMs / 1000)
  const into = cgroups.map((directory) => `echo 0 >${quoted(`${directory}/cgroup.procs`)} &&`)
  const commands = [
    ...(openFiles === undefined ? [] : bounded('n', openFiles)),
    ...(fileBytes === Infinity ? [] : bounded('f', Math.ceil(fileBytes / 1024))),
    ...(cpuSeconds === Infinity ? [] : bounded('t', cpuSeconds, cpuSeconds + graceSeconds)),
  ]
  return [...into, '{', ...commands, ':', '}'].join('\n')
}

function bounded(letter: string, soft: number, hard = soft): string[] {
  return [`ulimit -S${letter} ${soft} 2>/dev/null`, `ulimit -H${letter} ${hard} 2>/dev/null`]
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
