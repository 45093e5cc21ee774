/** The scripts of clients that have ended. */
import { readFile, readdir } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

/** A killed process is gone in a moment. */
const goneMs = 5

/** Ends all scripts of clients whose data is below a directory, known by their private TMPDIR. */
export async function endScripts(directory: string): Promise<void> {
  for (;;) {
    const pids = await findScripts(directory)
    if (pids.length === 0) return
    for (const pid of pids) kill(pid)
    await delay(goneMs)
  }
}

/** Their process ids. */
export async function findScripts(directory: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const isScript = (entry: string) => entry.startsWith(`TMPDIR=${directory}/`)
  const found: number[] = []
  for (const pid of pids) {
    // Empty when the process has ended, unreadable when it is another user's.
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')
    if (environment.split('\0').some(isScript)) found.push(Number(pid))
  }
  return found
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}
