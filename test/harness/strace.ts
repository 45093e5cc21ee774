import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Program } from './program.ts'

/**
 * Meddles with a process as it makes a system call on a path, not before and not after.
 *
 * @param what `signal=SIGKILL`, or `delay_enter=` and microseconds; see strace(1).
 * @returns `undefined` when it is being watched, or why it cannot be.
 */
export async function meddle(
  { pid }: Program,
  what: string,
  call: string,
  path: string,
): Promise<string | undefined> {
  const inject = `inject=${call}:${what}`
  const args = ['-f', '-p', String(pid), '-P', path, '-e', `trace=${call}`, '-e', inject]
  const strace = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const lines: string[] = []
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  createInterface({ input: strace.stderr }).on('line', (line) => {
    lines.push(line)
    if (/ attached/.test(line)) resolve(undefined)
  })
  strace.once('error', (error) => resolve(error.message))
  void once(strace, 'close').then(() => resolve(`strace ended: ${lines.join('; ')}`))
  return promise
}

/** Every call on files comes from one thread then, for strace counts by threads. */
export const oneThread = { UV_THREADPOOL_SIZE: '1' }

/**
 * A command that ends the program by SIGKILL as it makes a system call for the nth time.
 *
 * @param more arguments of strace, such as `-P` and a path.
 */
export function killAt(call: string, nth: number, ...more: string[]): string[] {
  const inject = `inject=${call}:signal=SIGKILL:when=${nth}`
  return ['strace', '-f', '-qq', '-o', '/dev/null', '-e', `trace=${call}`, ...more, '-e', inject]
}
