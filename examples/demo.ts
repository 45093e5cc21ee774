/**
 * The program at work, in under a minute: a real server and two real clients take real jobs from
 * upload to download. `--keep` leaves them running until Ctrl-C. Nothing stays behind.
 */
import { once } from 'node:events'
import { constants } from 'node:os'
import { download, exampleFiles, follow, upload } from './demo/job.ts'
import type { JobDetails } from './demo/job.ts'
import { suggestions } from './demo/suggestions.ts'
import { DemoSystem } from './demo/system.ts'
import type { Addresses } from './demo/system.ts'
import { table } from './demo/table.ts'

const limitMs = 55_000
/** Seeds of the example's random chains: a job for each; the first is the example as it is. */
const seeds = [1953, 1954, 1955, 1956] as const
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
    say(suggestions(addresses, seeds.length + 1))
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

/** The life of some jobs. */
async function show(system: DemoSystem, signal: AbortSignal): Promise<Addresses> {
  say('Starting two clients, which run jobs, and a server, which takes them ...')
  const addresses = await system.start(signal)
  const { clients, server } = addresses
  for (const [name, address] of clients) say(`  ${name} at ${address}`)
  say(`  server at ${server}\n`)

  say(
    `Sending ${seeds.length} jobs: examples/contacts, each with another seed for its random chains`,
  )
  const ids = []
  for (const seed of seeds) ids.push(await upload(server, seed, signal))
  say(`  POST ${server}/upload (${exampleFiles.join(', ')}): jobs ${ids.join(', ')}\n`)

  say('What happens to the first:')
  const runs = []
  for (const [index, id] of ids.entries()) {
    const job = await ended(server, id, index === 0, signal)
    const path = `/download/${id}`
    runs.push({ job, seed: seeds[index], ...(await download(server, path, 'summary.txt', signal)) })
  }
  const [first] = runs
  if (!first) throw new Error('there is no job')

  say(`\n  GET ${server}/download/${first.job.id}: a ZIP of ${first.sizeBytes} bytes; new in it:`)
  const sent: readonly string[] = exampleFiles
  const found = first.entries.filter(({ name }) => !sent.includes(name))
  for (const { name, sizeBytes } of found) say(`  ${String(sizeBytes).padStart(8)}  ${name}`)
  say(`\nsummary.txt of job ${first.job.id}\n${first.text.replaceAll(/^(?=.)/gm, '  ')}`)
  say(`Which client ran what (GET ${server}/jobs/{id}):\n${table(runs, clients)}\n`)
  return addresses
}

/** Follows a job to its end, aloud or not, which has to be good. */
async function ended(
  server: string,
  id: number,
  aloud: boolean,
  signal: AbortSignal,
): Promise<JobDetails> {
  const steps = follow(server, id, signal)
  for (;;) {
    const { value, done } = await steps.next()
    if (done && value.status === 'Completed') return value
    if (done) {
      const log = '.orchestrator/stderr.log'
      const { text } = await download(server, `/download_partial/${id}`, log, signal)
      throw new Error(`job ${id} is ${value.status}; its stderr says:\n${text}`)
    }
    const { afterMs, status, reason } = value
    if (aloud) say(`  ${String(afterMs).padStart(5)} ms  ${status.padEnd(10)}  ${reason}`)
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  // A signal alone keeps no process alive, but the two programs do.
  await once(signal, 'abort')
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
