/** What a job costs, counted: figures that do not depend on the machine, but on what we do. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { ensureCommand } from './harness/debian.ts'
import { Lab, until } from './harness/lab.ts'
import { Syscalls } from './harness/syscalls.ts'
import type { Syscall } from './harness/syscalls.ts'

const jobs = 5
const script = 'echo done > out.txt'

/** Each of the two is watched while so many jobs go all the way, one after the other. */
async function watchJobs(
  watch: (
    pids: { server: number; client: number; spawner: number },
    lab: Lab,
  ) => Promise<Syscalls[]>,
): Promise<Syscall[][] | string> {
  await using lab = await Lab.create()
  const { api, program, client } = await lab.pair()
  await program.line(({ msg }) => msg.includes('is reachable'))
  await api.run(script)
  const { pid } = client.program
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'latin1')
  const [spawner = 0] = children.trim().split(' ').map(Number)
  const traces = await watch({ server: program.pid, client: pid, spawner }, lab).catch(String)
  if (typeof traces === 'string') return `a process cannot be traced here: ${traces}`
  for (let job = 0; job < jobs; job++) assert.equal((await api.run(script)).status, 'Completed')
  await until('the client has forgotten all of them', async () => {
    const health = (await (await fetch(`${client.address}/health`)).json()) as { unfetched: number }
    return health.unfetched === 0
  })
  return Promise.all(traces.map((trace) => trace.stop()))
}

test('a job is flushed so often, and not more', async (t) => {
  const missing = await ensureCommand('strace')
  if (missing !== undefined) return t.skip(missing)
  const traces = await watchJobs(({ server, client }, { directory }) =>
    Promise.all([
      Syscalls.of({ pid: server }, join(directory, 'server.trace'), ['fsync', 'fdatasync']),
      Syscalls.of({ pid: client }, join(directory, 'client.trace'), ['fsync', 'fdatasync']),
    ]),
  )
  if (typeof traces === 'string') return t.skip(traces)
  const [server = [], client = []] = traces
  // The server's: a file and its three directories, three commits, the result and its directory; four
  // commits where the machine is so slow that two steps do not come together.
  assert.ok(server.length <= 10 * jobs, `the server flushed ${server.length} times`)
  assert.ok(server.length >= 6 * jobs, `only ${server.length} flushes of the server were seen`)
  // The client's: what is small it does not keep for long enough.
  assert.equal(client.length, 0, 'flushes of the client')
})

test('a job is two processes: its supervising shell and its script', async (t) => {
  const missing = await ensureCommand('strace')
  if (missing !== undefined) return t.skip(missing)
  const calls = ['clone', 'clone3', 'fork', 'vfork']
  const traces = await watchJobs(({ client, spawner }, { directory }) =>
    Promise.all([
      Syscalls.of({ pid: spawner }, join(directory, 'spawner.trace'), calls),
      Syscalls.of({ pid: client }, join(directory, 'client.trace'), ['execve']),
    ]),
  )
  if (typeof traces === 'string') return t.skip(traces)
  const [bySpawner = [], byClient = []] = traces
  // Threads are made by the same calls.
  const processes = bySpawner.filter(({ text }) => text.includes('SIGCHLD'))
  // The first one's shell was there before, and its script is not seen; the last one has another made.
  const count = processes.length
  assert.ok(Math.abs(count - 2 * jobs) <= 1, `${count} processes were started`)
  // The client itself is large; once a second it has removed what was forgotten.
  const others = byClient.filter(({ text }) => !text.includes('"rm"'))
  assert.deepEqual(others, [], 'the client itself starts others')
})

test('a job with a small result is two requests to its client', async () => {
  await using lab = await Lab.create()
  const client = await lab.client({ env: { LOG_LEVEL: 'debug' } })
  const { api } = await lab.server({ services: { example: [client.address] } })
  const requests = () =>
    client.program.lines
      .map(
        ({ msg }) => /^(GET|POST|DELETE) \/(submit|result|payloads|kill|retrieve)/.exec(msg)?.[0],
      )
      .filter((request) => request !== undefined)
  const forgotten = (count: number) =>
    until(`${count} payloads are forgotten`, () => {
      return requests().filter((request) => request.startsWith('DELETE')).length === count
    })
  for (let job = 0; job < jobs; job++) await api.run(script)
  await forgotten(jobs)
  const small = ['POST /submit', 'DELETE /payloads']
  assert.deepEqual(
    requests().toSorted(),
    Array.from({ length: jobs }, () => small)
      .flat()
      .toSorted(),
  )
  await api.run('head -c 100000 /dev/urandom > out.bin')
  await forgotten(jobs + 1)
  assert.deepEqual(requests().slice(2 * jobs), ['POST /submit', 'GET /result', 'DELETE /payloads'])
})
