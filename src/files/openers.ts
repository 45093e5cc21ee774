import { readdir, readlink, realpath, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'

/**
 * Which processes have a file open, as far as we may see that: those of other users and of other
 * machines stay unseen.
 *
 * @returns their ids, without our own.
 */
export async function findOpeners(file: string): Promise<number[]> {
  const name = basename(await realpath(file)) // as the system names it, whatever link leads to it
  const wanted = await stat(file)
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))
  const openers: number[] = []
  for (const pid of pids) {
    if (Number(pid) !== process.pid && (await hasOpen(pid, name, wanted))) {
      openers.push(Number(pid))
    }
  }
  return openers
}

/** Only what has the name is looked at: a look at others could wait for a network disk. */
async function hasOpen(
  pid: string,
  name: string,
  wanted: { readonly dev: number; readonly ino: number },
): Promise<boolean> {
  const directory = join('/proc', pid, 'fd')
  for (const fd of await readdir(directory).catch(() => [])) {
    const link = join(directory, fd)
    const target = await readlink(link).catch(() => '')
    if (basename(target) !== name) continue
    const stats = await stat(link).catch(() => undefined)
    if (stats?.dev === wanted.dev && stats.ino === wanted.ino) return true
  }
  return false
}
