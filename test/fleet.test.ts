/** Three clients on hosts of their own: 300 jobs, by load, and one client cut off in the middle. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { allowedCpus } from '../src/client/ticks.ts'
import type { JobDetails } from '../src/domain/protocol.ts'
import { Api } from './harness/api.ts'
import { Lab } from './harness/lab.ts'
import { Hosts, whyNoNamespaces } from './harness/namespaces.ts'
import type { LogLine } from './harness/program.ts'

const nodes = ['busy', 'other', 'idle'] as const
type Node = (typeof nodes)[number]

const slots = 6
/** One job of each is on its way at any time in the first part. */
const users = 9
const jobsOfUser = 8
const queuedAtOnce = 300 - users * jobsOfUser
/** Of what a client tells, so much is no chance. */
const clearDifference = 25

const noNamespaces = await whyNoNamespaces()
const allowed = allowedCpus(await readFile('/proc/self/status', 'latin1')) ?? ''
const cpus = allowed.split(/[,-]/).map(Number)

test(
  '300 jobs spread over three hosts by load; one is cut off, the others go on, it comes back',
  { skip: noNamespaces ?? (cpus.length < 2 && 'two CPUs are needed') },
  async (t) => {
    await using lab = await Lab.create()
    await using hosts = await Hosts.create(['server', ...nodes])
    const ledger = join(lab.directory, 'ledger')
    // Two of them share a CPU with somebody who burns it, politely: it is busy, but yields.
    const [first, last] = [cpus[0], cpus.at(-1)]
    const burner = spawn('taskset', ['-c', `${first}`, 'nice', '-n', '19', 'sh', '-c', burn])
    await using ends = new AsyncDisposableStack()
    ends.defer(() => void burner.kill('SIGKILL'))
    const clients = await Promise.all(
      nodes.map((name) =>
        lab.client({
          name,
          through: [...hosts.on(name), 'taskset', '-c', `${name === 'idle' ? last : first}`],
          args: ['--host', hosts.address(name), '--insecure', '--slots', String(slots)],
        }),
      ),
    )
    const { program } = await lab.server({
      services: { example: clients.map(({ address }) => address) },
      through: hosts.on('server'),
      args: ['--host', hosts.address('server'), '--insecure'],
      env: { SERVICE_EXAMPLE_MAX_RUNS: '1000', SERVICE_EXAMPLE_RUNS_PER_USER: '1000' },
    })
    await using way = await hosts.wayTo('server', await program.address(), lab.directory)
    const api = new Api(way.address, program)
    const urls = new Map(nodes.map((name, index) => [name, `${clients[index]?.address}/submit`]))
    const isLost = ({ msg }: LogLine) => msg.startsWith(`client ${urls.get('other')} is not reach`)
    const isBack = ({ msg }: LogLine) => msg === `client ${urls.get('other')} is reachable`
    const script = (seconds: number) => `echo "$JOB_ID" >> '${ledger}'; sleep ${seconds}`

    // First with room everywhere: load decides.
    await program.line(({ msg }) => msg.startsWith('service example:'))
    const loads = new Map(nodes.map((name) => [name, [] as number[]]))
    const watching = new AbortController()
    const watch = sample(watching.signal, async () => {
      for (const { url, load } of (await api.health()).services[0]?.clients ?? []) {
        const name = nodes.find((one) => urls.get(one) === url)
        if (name && load !== null) loads.get(name)?.push(load)
      }
    })
    const walks = Array.from({ length: users }, async (_, user) => {
      const ids: number[] = []
      for (let job = 0; job < jobsOfUser; job++) {
        const id = await api.upload(script(0.2), { user: `user${user}` })
        assert.equal((await api.ended(id, 60_000)).status, 'Completed')
        ids.push(id)
      }
      return ids
    })
    const spread = (await Promise.all(walks)).flat()
    watching.abort()
    await watch
    const shares = countByNode(await Promise.all(spread.map((id) => api.job(id))), urls)
    const mean = new Map(nodes.map((name) => [name, average(loads.get(name) ?? [])]))
    t.diagnostic(
      `jobs ${JSON.stringify([...shares])}, load in percent ${JSON.stringify([...mean])}`,
    )
    for (const name of nodes) assert.ok((shares.get(name) ?? 0) > 0, `${name} got some`)
    for (const name of ['busy', 'other'] as const) {
      // The machine may do other things too, so that the idle one is not.
      if ((mean.get(name) ?? 0) - (mean.get('idle') ?? 0) < clearDifference) continue
      assert.ok((shares.get(name) ?? 0) < (shares.get('idle') ?? 0), `${name} got less`)
    }

    // Then far more than there are slots, and one client is cut off.
    const sent = Array.from({ length: queuedAtOnce }, (_, index) =>
      api.upload(script(1.2), { user: `user${index % users}` }),
    )
    const ids = await Promise.all(sent)
    await program.line(({ client, to }) => client === urls.get('other') && to === 'Completed')
    await hosts.plug('other', 'down')
    const cutAt = Date.now()
    await program.line(isLost, 10_000)
    const lostAt = Date.now()
    const held = (await Promise.all(ids.map((id) => api.job(id)))).filter(
      (job) => job.status !== 'Queued' && !job.finalAt && clientOf(job) === urls.get('other'),
    )
    assert.ok(held.length > 0 && held.length <= slots, 'it still has what it had')
    for (const { id } of held) {
      assert.match((await api.get(`/download/${id}`)).body.message, /its client cannot be reached/)
    }
    // Two more turns of everybody else.
    const more = countEnds(program.lines, urls) + 4 * slots
    await program.line(() => countEnds(program.lines, urls) >= more)
    const isQueued = program.lines.filter(({ to }) => to === 'Processing').length < 300
    assert.ok(isQueued, 'there is work for it when it comes back')

    await hosts.plug('other', 'up')
    const healedAt = Date.now()
    const linesBefore = program.lines.length
    await program.line((line) => isBack(line) && program.lines.indexOf(line) >= linesBefore, 10_000)
    const backAt = Date.now()
    const jobs = await Promise.all(ids.map((id) => api.ended(id, 60_000)))

    for (const { status, id, message } of jobs)
      assert.equal(status, 'Completed', `${id} ${message}`)
    const started = (await readFile(ledger, 'utf8')).trim().split('\n').map(Number)
    assert.deepEqual(
      started.toSorted((a, b) => a - b),
      [...spread, ...ids].toSorted((a, b) => a - b),
      'each started once',
    )
    assert.equal(program.lines.filter(isLost).length, 1, program.said)
    assert.equal(program.lines.filter(isBack).length, 2, program.said)
    const anew = jobs.filter(
      (job) =>
        clientOf(job) === urls.get('other') &&
        Date.parse(job.attempts.at(-1)?.claimedAt ?? '') > healedAt,
    )
    assert.ok(anew.length >= slots, 'it takes part again')
    const fetchedAt = held.map(({ id }) =>
      Date.parse(jobs.find((job) => job.id === id)?.finalAt ?? ''),
    )
    const fetchedMs = Math.max(...fetchedAt) - backAt
    assert.ok(fetchedMs < 10_000, `its results were fetched after ${fetchedMs} ms`)
    const pauses = []
    for (const name of ['busy', 'idle'] as const) {
      const own = jobs.filter((job) => clientOf(job) === urls.get(name))
      const share = busyMs(own, cutAt, healedAt) / (slots * (healedAt - cutAt))
      assert.ok(share > 0.8, `${name} had ${share} of its slots taken`)
      pauses.push(`${name}: ${(share * 100).toFixed(0)} % of its slots taken`)
    }
    const pauseMs = longestPauseMs(jobs, urls, cutAt, healedAt)
    t.diagnostic(
      `noticed after ${lostAt - cutAt} ms, back after ${backAt - healedAt} ms, its results fetched ` +
        `${fetchedMs} ms later, ${anew.length} new jobs there; longest without an end elsewhere ` +
        `${pauseMs} ms; ${pauses.join(', ')}`,
    )
  },
)

/** Ends with its parent: nobody is left to burn when a test is cut short. */
const burn = 'while [ -e "/proc/$PPID" ]; do i=0; while [ $i -lt 9999 ]; do i=$((i+1)); done; done'

async function sample(signal: AbortSignal, take: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await take()
    await delay(200, undefined, { signal }).catch(() => {})
  }
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
}

/** Where a job was sent last. */
function clientOf({ attempts }: JobDetails): string | undefined {
  return attempts.at(-1)?.client
}

function countByNode(
  jobs: readonly JobDetails[],
  urls: ReadonlyMap<Node, string>,
): Map<Node, number> {
  return new Map(
    nodes.map((name) => [name, jobs.filter((job) => clientOf(job) === urls.get(name)).length]),
  )
}

/** Jobs that have ended at those that are not cut off. */
function countEnds(lines: readonly LogLine[], urls: ReadonlyMap<Node, string>): number {
  return lines.filter(({ to, client }) => to === 'Completed' && client !== urls.get('other')).length
}

/** For how long jobs had slots of their client, as the server sees it, within a time. */
function busyMs(jobs: readonly JobDetails[], from: number, to: number): number {
  return jobs
    .map(({ attempts, finalAt }) => {
      const begin = Math.max(from, Date.parse(attempts.at(-1)?.claimedAt ?? ''))
      return Math.max(0, Math.min(to, Date.parse(finalAt ?? '')) - begin)
    })
    .reduce((sum, ms) => sum + ms, 0)
}

function longestPauseMs(
  jobs: readonly JobDetails[],
  urls: ReadonlyMap<Node, string>,
  from: number,
  to: number,
): number {
  const ends = jobs
    .filter((job) => clientOf(job) !== urls.get('other'))
    .map(({ finalAt }) => Date.parse(finalAt ?? ''))
    .filter((at) => at > from && at < to)
    .toSorted((a, b) => a - b)
  return Math.max(...[...ends, to].map((at, index) => at - (ends[index - 1] ?? from)))
}
