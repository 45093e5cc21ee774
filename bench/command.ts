/** Programs of others, which do the same work without us. */
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { once } from 'node:events'
import { ensureCommand } from '../test/harness/debian.ts'

/** @throws when one of them is not there, and cannot be installed. */
export async function demandCommands(...commands: readonly string[]): Promise<void> {
  for (const command of commands) {
    const why = await ensureCommand(command)
    if (why !== undefined) throw new Error(why)
  }
}

/**
 * Runs a command to its end.
 *
 * @throws when it fails.
 */
export async function runTimed(
  command: string,
  args: readonly string[],
  directory: string,
): Promise<{ readonly seconds: number; readonly stdout: string }> {
  const start = performance.now()
  const child = spawn(command, args, { cwd: directory, stdio: ['ignore', 'pipe', 'inherit'] })
  const [stdout, [code]] = await Promise.all([
    text(child.stdout),
    once(child, 'exit') as Promise<[number | null]>,
  ])
  const seconds = (performance.now() - start) / 1000
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${stdout}`)
  return { seconds, stdout }
}
