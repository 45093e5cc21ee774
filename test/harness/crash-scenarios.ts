/** What goes on when a process dies at a crash point. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { open, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readStart } from '../../src/executors/records.ts'
import type { Scenario, Trial } from './crash-trial.ts'
import { until } from './lab.ts'
import { makeTask } from './tasks.ts'
import type { Task, TaskKind } from './tasks.ts'

/** More than the buffers between two processes hold. */
const largeBytes = 32 * 1024 * 1024

/** Jobs that meet most steps; the endless one is terminated. */
export const mixed: Scenario = { act: (trial) => sendAll(trial, ['quick', 'big']) }

/** Jobs of more kinds, of which one is run again when it fails. */
export const everything: Scenario = {
  act: (trial) => sendAll(trial, ['quick', 'big', 'many', 'failing', 'retrying']),
}

/** The same where files are removed a second after the end of their job. */
export const aged: Scenario = {
  ...mixed,
  armedEnv: { MAX_AGE: '1' },
  check: async ({ directories }, { jobs }) => {
    const cleaned = jobs.filter(({ status }) => status === 'Cleaned')
    assert.ok(cleaned.length > 0, 'no job was cleaned')
    for (const { id } of cleaned) {
      const directory = join(directories.server.dataPath, 'jobs', String(id))
      assert.ok(!existsSync(directory), `${directory} is left`)
    }
  },
}

/** The first supervising shell is killed. */
export const vanishing: Scenario = {
  act: async (trial) => {
    const task = withLines(trial, '[ "$ATTEMPT" -gt 1 ] || while :; do sleep 1000; done')
    await trial.upload(task)
    await trial.started(task)
    const { directory } = await onlyPayload(trial)
    process.kill(readStart(join(directory, 'start'))?.pid ?? 0, 'SIGKILL')
  },
  check: async (_trial, { jobs: [job] }) => {
    const outcomes = job?.attempts.map(({ outcome }) => outcome)
    assert.match(outcomes?.[0] ?? '', /vanished|has it no more/)
    assert.equal(outcomes?.at(-1), 'run.sh ended with exit code 0')
  },
}

/** A job is cancelled while it runs, by a server of the same identity that knows nothing of it. */
export const cancelled: Scenario = {
  act: async (trial) => {
    const task = withLines(trial, wait(trial))
    await trial.upload(task)
    await trial.started(task)
    const { key } = await onlyPayload(trial)
    // Whoever dies does not answer.
    await trial.pair.callClient('POST', `/payloads/${key}/cancel`).catch(() => {})
    await release(trial)
  },
  check: async (_trial, { jobs: [job] }) => {
    assert.equal(job?.attempts.length, 2, JSON.stringify(job?.history))
  },
}

/** A job is terminated of which the client has half the files. */
export const unsent: Scenario = {
  act: async (trial) => {
    const { pair } = trial
    await until('both were started', () => pair.has('server') && pair.has('client'))
    await pair.program('server').line(({ msg }) => msg.endsWith('is reachable'))
    const client = pair.program('client').child
    client.kill('SIGSTOP')
    const task = withLines(trial, 'false', { 'large.bin': Buffer.alloc(largeBytes) })
    const upload = await trial.upload(task)
    const server = pair.program('server')
    await server.line(({ job, to }) => job === upload.id && to === 'Processing')
    const asked = trial.terminate(upload)
    await server.line(({ job, reason }) => job === upload.id && reason === 'terminate requested')
    client.kill('SIGCONT')
    await asked
  },
  check: async (_trial, { entries }) => assert.deepEqual(entries, [], 'its script never ran'),
}

/** A script runs on a machine that goes down, as far as the client can tell. */
export const rebooted: Scenario = {
  prepare: async (trial) => {
    await Promise.all([trial.pair.start('server'), trial.pair.start('client')])
    const task = withLines(trial, wait(trial))
    await trial.upload(task)
    await trial.started(task)
    await trial.pair.kill('client')
    const manifest = join((await onlyPayload(trial)).directory, 'payload.json')
    const noted = JSON.parse(await readFile(manifest, 'utf8')) as object
    await writeFile(manifest, JSON.stringify({ ...noted, bootId: 'another' }))
  },
  act: release,
  check: async (_trial, { jobs: [job] }) => {
    assert.match(job?.attempts[0]?.outcome ?? '', /machine was restarted|has it no more/)
  },
}

/** An upload that was answered is sent again, as by somebody to whom the answer did not come. */
export const repeated: Scenario = {
  act: async (trial) => {
    const upload = await trial.upload(makeTask(trial.ledger, 'repeated', 'quick'))
    await trial.sendAgain(upload)
  },
}

/** A client dies and is away for so long that another one gets its job; then it is back. */
export const moved: Scenario = {
  clients: 2,
  prepare: async ({ pair }) => {
    await Promise.all([pair.start('client'), pair.start('second')])
  },
  armedEnv: { CLIENT_LOST_AFTER: '1' },
  act: async (trial) => {
    const { pair } = trial
    const task = withLines(trial, wait(trial))
    await trial.upload(task)
    await trial.started(task)
    const { side } = await onlyPayload(trial)
    await pair.kill(side)
    await trial.back
    await release(trial)
    await pair.start(side)
  },
  check: async (_trial, { jobs: [job] }) => {
    assert.match(job?.attempts[0]?.outcome ?? '', /^its client was silent for/)
    assert.equal(job?.attempts.length, 2)
  },
}

/** A result that nobody fetched for too long; then the server is back. */
export const forsaken: Scenario = {
  prepare: async (trial) => {
    await Promise.all([trial.pair.start('server'), trial.pair.start('client')])
    const task = withLines(trial, wait(trial))
    await trial.upload(task)
    await trial.started(task)
    await Promise.all([trial.pair.kill('server'), trial.pair.kill('client')])
  },
  armedEnv: { MAX_AGE: '1' },
  act: async (trial) => {
    await release(trial)
    await trial.back
    await trial.pair.start('server')
  },
  check: async (_trial, { jobs: [job] }) => {
    assert.equal(job?.attempts[0]?.outcome, 'the client has it no more')
  },
}

/** A result that is not on the client's disk as it was packed. */
export const spoilt: Scenario = {
  prepare: async (trial) => {
    await Promise.all([trial.pair.start('server'), trial.pair.start('client')])
    const task = withLines(trial, wait(trial))
    await trial.upload(task)
    await trial.started(task)
    await trial.pair.kill('server')
    await release(trial)
    const { directory } = await onlyPayload(trial)
    await until('it is packed', () => existsSync(join(directory, 'outcome.json')))
    await using result = await open(join(directory, 'result.zip'), 'r+')
    await result.write('X', 0)
  },
  act: async () => {},
  check: async (_trial, { jobs: [job] }) => {
    assert.match(
      job?.attempts[0]?.outcome ?? '',
      /came wrong 3 times|has it no more|was cancelled at its client/,
    )
  },
}

/** A quick job with further lines in its script. */
export function withLines(
  { ledger }: Pick<Trial, 'ledger'>,
  lines: string,
  inputs: Readonly<Record<string, Buffer<ArrayBuffer>>> = {},
  label = 'special',
): Task {
  const quick = makeTask(ledger, label, 'quick')
  const script = `${ledger.prologue(label)}${lines}\necho '${label}' >result.txt\n`
  const results = () =>
    new Map([
      ['run.sh', Buffer.from(script)],
      ['result.txt', Buffer.from(`${label}\n`)],
      ...Object.entries(inputs),
    ])
  return { ...quick, files: { ...inputs, 'run.sh': script }, results }
}

/** A job of each of these kinds, and an endless one that is terminated. */
async function sendAll(trial: Trial, kinds: readonly TaskKind[]): Promise<void> {
  const { ledger } = trial
  await Promise.all([
    ...kinds.map((kind) => trial.upload(makeTask(ledger, kind, kind))),
    uploadAndTerminate(trial, makeTask(ledger, 'endless', 'endless')),
  ])
}

async function uploadAndTerminate(trial: Trial, task: Task): Promise<void> {
  const upload = await trial.upload(task)
  await trial.started(task)
  await trial.terminate(upload)
}

/** The line of bash that waits until the trial lets it go; never beyond the trial. */
function wait({ ledger: { directory } }: Pick<Trial, 'ledger'>): string {
  return `while [ -e '${directory}' ] && [ ! -e '${directory}/go' ]; do sleep 0.02; done`
}

async function release({ ledger: { directory } }: Pick<Trial, 'ledger'>): Promise<void> {
  await writeFile(join(directory, 'go'), '')
}

/** The one payload that there is, which client has it, and its key. */
async function onlyPayload({
  directories,
}: Trial): Promise<{ side: 'client' | 'second'; directory: string; key: string }> {
  for (const dataPath of directories.clients) {
    const root = join(dataPath, 'payloads')
    const name = (await readdir(root)).find((one) => /^\d+$/.test(one))
    if (name === undefined) continue
    const directory = join(root, name)
    const text = await readFile(join(directory, 'payload.json'), 'utf8')
    const { origin } = JSON.parse(text) as { origin: { key: string } }
    const side = dataPath.endsWith('second') ? 'second' : 'client'
    return { side, directory, key: origin.key }
  }
  throw new Error('no client has a payload')
}
