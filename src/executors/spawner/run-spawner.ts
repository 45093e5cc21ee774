/**
 * The spawner: a small process beside the client that starts the supervising shells. A process
 * stands still while it is copied to start another one, for longer the larger it is; the client
 * grows with what it does, this one does nothing else.
 *
 * One shell is always started ahead of the script that it is for. The spawner ends with its client,
 * at once, and so does that shell. Those that have a script go on; the next client finds them by
 * their records.
 */
import { closeSync, openSync } from 'node:fs'
import type { Report, StartMessage } from './messages.ts'
import { SupervisingShell } from './supervising-shell.ts'

/** The script that was started just now has the processor first. */
const aheadAfterMs = 200
/** Whoever waits for the result of one that has ended has it first, too. */
const soonMs = 10

/** The one that was started ahead. */
let next: SupervisingShell | undefined

/** Starts what the parent asks for. */
export function runSpawner(): void {
  // What is for the client, such as a Ctrl-C on its terminal, is not for us.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
  process.on('message', (message: StartMessage) => void start(message))
}

async function start(message: StartMessage): Promise<void> {
  const { id, directory, stdout, stderr, common, own: environment, launch, bounds } = message
  try {
    // A full disk shows here, where it can be told.
    for (const path of [stdout, stderr]) closeSync(openSync(path, 'a'))
    const ahead = next?.isReady ? next : undefined
    next = undefined
    const shell = ahead ?? new SupervisingShell(common)
    const pid = await shell.begin({
      directory,
      environment,
      launch,
      bounds,
      onGroup(group) {
        tell({ id, is: 'group', group })
        setTimeout(() => startAhead(common), aheadAfterMs)
      },
      onExit(exitCode) {
        tell({ id, is: 'exited', exitCode })
        setTimeout(() => startAhead(common), soonMs)
      },
    })
    tell({ id, is: 'spawned', pid, wasAhead: ahead !== undefined })
  } catch (error) {
    tellFailed(id, error)
  }
}

function startAhead(common: StartMessage['common']): void {
  if (!next?.isReady) next = new SupervisingShell(common)
}

function tellFailed(id: number, error: unknown): void {
  const { code = '', message } = error as NodeJS.ErrnoException
  tell({ id, is: 'failed', code, message })
}

function tell(report: Report): void {
  // Nobody is there any more when it cannot be sent.
  process.send?.(report, undefined, {}, () => {})
}
