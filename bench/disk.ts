/** What the disk by itself takes meanwhile: it is shared, and now and then it stalls. */
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const everyMs = 200

/**
 * Writes and flushes a few bytes now and then while something is done.
 *
 * @param directory on that disk.
 * @returns what was done, and how long each flush took.
 */
export async function besideFlushes<T>(
  directory: string,
  work: () => Promise<T>,
): Promise<{ readonly got: T; readonly flushMs: readonly number[] }> {
  await using file = await open(join(directory, 'flushed'), 'w')
  const flushMs: number[] = []
  let isDone = false
  const flushOn = async () => {
    while (!isDone) {
      const start = performance.now()
      await file.write('.')
      await file.sync()
      flushMs.push(performance.now() - start)
      await delay(everyMs)
    }
  }
  const flushing = flushOn()
  try {
    return { got: await work(), flushMs }
  } finally {
    isDone = true
    await flushing
  }
}
