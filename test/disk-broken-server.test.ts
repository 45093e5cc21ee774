/**
 * A server whose disk fails: what could not be made durable counts nothing, and is not there; the
 * database ends the process, to begin anew from the disk.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { form } from './harness/api.ts'
import type { Api } from './harness/api.ts'
import { Hold } from './harness/held.ts'
import { Lab, until } from './harness/lab.ts'
import { jobsOnDisk } from './harness/left.ts'
import { field, file, formType, multipart } from './harness/raw.ts'
import { Injection } from './harness/strace.ts'

const eio = 'error=EIO'
const writes = 'write,pwrite64,writev,pwritev'
const renames = 'rename,renameat,renameat2'

const tryUpload = (api: Api) =>
  api.post('/upload', form('true', { user_id: '1', service: 'example' }))

const failed = {
  id: 0,
  status: 'Unknown',
  message: 'the disk has failed: it answers with an I/O error (EIO)',
}

test('an upload that could not be made durable is refused, and nothing is left of it', async (t) => {
  await using lab = await Lab.create()
  const { api, program } = await lab.pair()
  let next = 1
  for (const [what, calls, path] of [
    ['a file cannot be flushed', 'fdatasync', null],
    ['a directory cannot be flushed', 'fsync', 'ID/input'],
    ['its name cannot be flushed', 'fsync', ''],
    ['it cannot be renamed', renames, null],
  ] as const) {
    const root = join(lab.directory, 'server/jobs')
    const at = path === null ? [] : [join(root, path.replace('ID', String(next)))]
    {
      const injection = await Injection.begin(program, eio, calls, at)
      if (typeof injection === 'string') return t.skip(injection)
      await using begun = injection
      assert.deepEqual(await tryUpload(api), { status: 500, body: failed }, what)
      assert.ok(begun.count > 0, what)
      assert.deepEqual((await jobsOnDisk(lab)).incoming, [], what)
      assert.ok(!(await jobsOnDisk(lab)).jobs.includes(String(next)), what)
    }
    const job = await api.run('true')
    assert.deepEqual([job.id, job.status], [next + 1, 'Completed'], 'the id is not given again')
    next += 2
  }
  assert.equal(await program.stop(), 0)
  return undefined
})

test('an upload of which a file cannot be written is refused, and nothing is left of it', async (t) => {
  await using lab = await Lab.create()
  const { api, program } = await lab.pair()
  const incoming = join(lab.directory, 'server/jobs/incoming')
  const parts = [field('user_id', '1'), field('service', 'example'), file('a', 'x')]
  const body = multipart([...parts, file('run.sh', 'true')])
  const half = multipart(parts).length - 10
  const headers = { 'content-type': formType, 'content-length': body.length }
  const sending = request(`${api.address}/upload`, { method: 'POST', headers, agent: false })
  sending.write(body.subarray(0, half))
  await until('it is being received', async () => (await readdir(incoming)).length === 1)
  const [name = ''] = await readdir(incoming)
  const injection = await Injection.begin(program, eio, writes, [
    join(incoming, name, 'input/run.sh'),
  ])
  if (typeof injection === 'string') return t.skip(injection)
  await using begun = injection
  const answered = once(sending, 'response')
  sending.end(body.subarray(half))
  const [response] = (await answered) as [IncomingMessage]
  assert.deepEqual([response.statusCode, await json(response)], [500, failed])
  await begun.met()
  assert.deepEqual(await jobsOnDisk(lab), { incoming: [], jobs: [] })
  return undefined
})

test('a large file is flushed while it comes, and a disk that fails then is told at once', async (t) => {
  await using lab = await Lab.create()
  const { api, program } = await lab.pair()
  const mib = 1024 * 1024
  const body = multipart([
    field('user_id', '1'),
    field('service', 'example'),
    file('large', Buffer.alloc(90 * mib)),
    file('run.sh', 'true'),
  ])
  const incoming = join(lab.directory, 'server/jobs/incoming')
  const headers = { 'content-type': formType, 'content-length': body.length }
  const sending = request(`${api.address}/upload`, { method: 'POST', headers, agent: false })
  t.after(() => sending.destroy())
  sending.write(body.subarray(0, mib))
  await until('it is being received', async () => (await readdir(incoming)).length === 1)
  const [name = ''] = await readdir(incoming)
  // The first flush alone fails; later ones would tell nothing.
  const large = join(incoming, name, 'input/large')
  const injection = await Injection.begin(program, `${eio}:when=1`, 'fdatasync', [large])
  if (typeof injection === 'string') return t.skip(injection)
  await using begun = injection
  sending.write(body.subarray(mib, 80 * mib))
  const answered = once(sending, 'response') as Promise<[IncomingMessage]>
  await begun.met()
  sending.write(body.subarray(80 * mib, 85 * mib))
  const [response] = await answered
  assert.deepEqual([response.statusCode, await json(response)], [500, failed])
  assert.deepEqual(await jobsOnDisk(lab), { incoming: [], jobs: [] })
  return undefined
})

test('a result that could not be made durable is discarded, and fetched until it can be', async (t) => {
  await using lab = await Lab.create()
  const { api, program } = await lab.pair()
  for (const [index, [what, calls, path]] of [
    ['it cannot be written', writes, '/result.1.zip.part'],
    ['it cannot be flushed', 'fdatasync', '/result.1.zip'],
    ['it cannot get its name', renames, '/result.1.zip.part'],
    ['its name cannot be flushed', 'fsync', ''],
  ].entries()) {
    const hold = new Hold(lab, `go-${index}`)
    const id = await api.upload(`${hold.wait}; seq 500 > out`)
    await api.reached(id, 'Running')
    const directory = join(lab.directory, 'server/jobs', String(id))
    {
      // It is flushed while it gets its name.
      const at = [
        `${directory}${path}`,
        ...(calls === 'fdatasync' ? [`${directory}${path}.part`] : []),
      ]
      const injection = await Injection.begin(program, eio, calls ?? '', at)
      if (typeof injection === 'string') return t.skip(injection)
      await using begun = injection
      await hold.release()
      await program.line(
        ({ job, msg }) => job === id && /not be fetched.*disk has failed/.test(msg),
      )
      await until('it was tried again', () => begun.count >= 2)
      await until('nothing of it is there', async () => {
        return (await readdir(directory)).join() === 'input'
      })
      assert.equal((await api.job(id)).status, 'Running', what)
    }
    assert.equal((await api.ended(id)).status, 'Completed', what)
    assert.equal((await api.files(id)).get('out')?.content.byteLength, 1892, what)
    assert.deepEqual((await readdir(directory)).toSorted(), ['input', 'result.1.zip'], what)
  }
  return undefined
})

describe('a database', { concurrency: 2 }, () => {
  for (const [what, calls] of [
    ['flushed', 'fsync,fdatasync'],
    ['written', writes],
  ] as const) {
    test(`that cannot be ${what} ends the server before it answers`, async (t) => {
      await using lab = await Lab.create()
      const first = await lab.pair()
      const hold = new Hold(lab)
      const before = await first.api.upload(`${hold.wait}; echo 1 > out`)
      await first.api.reached(before, 'Running')
      const journal = join(lab.directory, 'server.sqlite-wal')
      const injection = await Injection.begin(first.program, eio, calls, [journal])
      if (typeof injection === 'string') return t.skip(injection)
      await using begun = injection
      await assert.rejects(tryUpload(first.api), 'nobody is told anything')
      assert.equal(await first.program.exit(), 1)
      assert.ok(begun.count > 0)
      const last = first.program.lines.at(-1)
      assert.equal(last?.['level'], 60)
      assert.match(
        last.msg,
        /^the database \/.*server\.sqlite cannot be relied on any more: (disk I\/O error \(SQLite \d+\)|its journal cannot be flushed: EIO: .*): the program ends, to begin anew from the disk$/,
      )

      const again = await lab.server({ services: { example: [first.client.address] } })
      // Whether what was being committed is there is for the disk to say; then its files are, too.
      const { jobs } = await jobsOnDisk(lab)
      for (const id of jobs.map(Number).filter((one) => one !== before)) {
        assert.equal((await again.api.ended(id)).status, 'Completed')
      }
      await hold.release()
      assert.equal((await again.api.ended(before)).status, 'Completed')
      const next = await again.api.run('true')
      assert.equal(next.status, 'Completed')
      assert.equal(await again.program.stop(), 0)
      return undefined
    })
  }
})

test('a checkpoint that fails loses nothing', async (t) => {
  await using lab = await Lab.create()
  const services = { example: ['http://127.0.0.1:9'] }
  const { api, program } = await lab.server({ services })
  const database = join(lab.directory, 'server.sqlite')
  const injection = await Injection.begin(program, eio, 'fsync,fdatasync', [database])
  if (typeof injection === 'string') return t.skip(injection)
  await using begun = injection
  const ids: number[] = []
  // Every thousand pages of its journal are a reason to try.
  while (begun.count < 2) {
    ids.push(...(await Promise.all([1, 2, 3, 4].map(() => api.upload('true')))))
  }
  assert.equal(await program.stop('SIGKILL'), 'SIGKILL')
  const again = await lab.server({ services })
  const found = await Promise.all(ids.map((id) => again.api.job(id)))
  assert.deepEqual(
    found.map(({ id, status }) => [id, status]),
    ids.map((id) => [id, 'Queued']),
  )
  return undefined
})
