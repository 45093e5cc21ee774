/** What a process has used, by proc(5). */
import { readFile, readdir, readlink } from 'node:fs/promises'

/** Of the times in /proc, on all machines. */
const ticksPerSecond = 100

/** CPU seconds that a process has used, user and system, without its children. */
export async function cpuSeconds(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

/** The same to the microsecond, of a process whose threads stay: for one that does next to nothing. */
export async function exactCpuSeconds(pid: number): Promise<number> {
  const threads = await readdir(`/proc/${pid}/task`)
  const texts = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/schedstat`, 'latin1')),
  )
  return texts.reduce((sum, text) => sum + Number(text.split(' ')[0]), 0) / 1e9
}

/** Resident memory now, in MB. */
export function memoryMb(pid: number): Promise<number> {
  return readStatus(pid, 'VmRSS')
}

/** The most resident memory that it has ever had, in MB. */
export function peakMemoryMb(pid: number): Promise<number> {
  return readStatus(pid, 'VmHWM')
}

async function readStatus(pid: number, field: string): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1')
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1000
}

/** How many sockets it has open. */
export async function openSockets(pid: number): Promise<number> {
  const descriptors = await readdir(`/proc/${pid}/fd`)
  const targets = await Promise.all(
    descriptors.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')),
  )
  return targets.filter((target) => target.startsWith('socket:')).length
}
