/**
 * The program at work, in under a minute: a real server and a real client take a real job from
 * upload to download. `--keep` leaves them running until Ctrl-C. Nothing stays behind.
 */
import { once } from 'node:events'
import { constants } from 'node:os'
import { download, exampleFiles, follow, upload } from './demo/job.ts'
import { suggestions } from './demo/suggestions.ts'
import { DemoSystem } from './demo/system.ts'
import type { Addresses } from './demo/system.ts'

const limitMs = 55_000
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<void> {
  const unknown = args.find((arg) => arg !== '--keep')
  if (unknown !== undefined) {
    process.stderr.write(`demo: unknown argument "${unknown}"; the only one there is is --keep\n`)
    process.exitCode = 2
    return
  }
  const interrupted = new AbortController()
  // A terminal, npm and the runner may each pass on the same Ctrl-C: the first one counts.
  for (const name of signals) process.on(name, () => interrupted.abort(name))
  process.stdout.on('error', () => interrupted.abort('SIGPIPE')) // nobody reads any more
  process.exitCode = await run(args.includes('--keep'), interrupted.signal)
  say('Everything is stopped and removed.')
}

/** Returns the exit code, when all is cleaned up. */
async function run(keep: boolean, interrupted: AbortSignal): Promise<number> {
  await using system = await DemoSystem.create()
  const ending = AbortSignal.any([interrupted, system.broken])
  try {
    const addresses = await show(system, AbortSignal.any([ending, AbortSignal.timeout(limitMs)]))
    if (!keep) {
      say('That was it. With "npm run demo -- --keep" it goes on running, for you to try.')
      return 0
    }
    say(suggestions(addresses))
    system.onJobLine = (line) => say(`  ${line}`)
    await aborted(ending)
    system.broken.throwIfAborted()
    say('\nStopping ...')
    return 0
  } catch (error) {
    if (interrupted.aborted) {
      say('\nInterrupted.')
      return 128 + constants.signals[interrupted.reason as NodeJS.Signals]
    }
    const why = error instanceof Error ? error.message : String(error)
    process.stderr.write(`\nThe demo failed: ${why}\n${system.tails().join('\n')}\n`)
    return 1
  }
}

/** The life of one job. */
async function show(system: DemoSystem, signal: AbortSignal): Promise<Addresses> {
  say('Starting a client, which runs jobs, and a server, which takes them ...')
  const addresses = await system.start(signal)
  const { client, server } = addresses
  say(`  client at ${client}\n  server at ${server}\n`)

  say(`Sending the job examples/contacts: ${exampleFiles.join(', ')}`)
  const { id } = await upload(server, signal)
  say(`  POST ${server}/upload: job ${id}\n`)

  let last = ''
  for await (const { status, reason, afterMs } of follow(server, id, signal)) {
    say(`  ${String(afterMs).padStart(5)} ms  ${status.padEnd(10)}  ${reason}`)
    last = status
  }
  if (last !== 'Completed') {
    const log = '.orchestrator/stderr.log'
    const { text } = await download(server, `/download_partial/${id}`, log, signal)
    throw new Error(`the job is ${last}; its stderr says:\n${text}`)
  }

  const { sizeBytes, entries, text } = await download(
    server,
    `/download/${id}`,
    'summary.txt',
    signal,
  )
  say(`\n  GET ${server}/download/${id}: a ZIP of ${sizeBytes} bytes`)
  for (const entry of entries) say(`  ${String(entry.sizeBytes).padStart(8)}  ${entry.name}`)
  say(`\nsummary.txt\n${text.replaceAll(/^(?=.)/gm, '  ')}`)
  return addresses
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  // A signal alone keeps no process alive, but the two programs do.
  await once(signal, 'abort')
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
