/**
 * The spawner: a small process beside the client that starts the supervising shells. A process
 * stands still while it is copied to start another one, for longer the larger it is; the client
 * grows with what it does, this one does nothing else.
 *
 * It ends with its client, at once. The shells go on; the next client finds them by their records.
 */
import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { supervisor } from '../supervisor.ts'
import type { Report, StartMessage } from './messages.ts'

/** Starts what the parent asks for. */
export function runSpawner(): void {
  // What is for the client, such as a Ctrl-C on its terminal, is not for us.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
  process.on('message', (message: StartMessage) => {
    try {
      start(message)
    } catch (error) {
      tellFailed(message.id, error)
    }
  })
}

function start({ id, directory, work, stdout, stderr, environment }: StartMessage): void {
  const descriptors: number[] = []
  try {
    for (const path of [stdout, stderr]) descriptors.push(openSync(path, 'a'))
    const child = spawn('bash', ['-c', supervisor, 'job-orchestrator', directory], {
      cwd: work,
      env: environment,
      detached: true,
      stdio: ['ignore', ...descriptors, 'pipe'],
    })
    child.once('error', (error) => tellFailed(id, error))
    const { pid } = child
    if (pid === undefined) return
    tell({ id, is: 'spawned', pid })
    const channel = child.stdio[3] as Readable
    channel.once('data', (line: Buffer) =>
      tell({ id, is: 'group', group: Number(line.toString('latin1').trim()) }),
    )
    channel.resume()
    child.once('exit', (exitCode) => {
      channel.destroy()
      tell({ id, is: 'exited', exitCode })
    })
  } finally {
    for (const descriptor of descriptors) closeSync(descriptor)
  }
}

function tellFailed(id: number, error: unknown): void {
  const { code = '', message } = error as NodeJS.ErrnoException
  tell({ id, is: 'failed', code, message })
}

function tell(report: Report): void {
  // Nobody is there any more when it cannot be sent.
  process.send?.(report, undefined, {}, () => {})
}
