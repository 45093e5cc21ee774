/**
 * A 2.2.3 server at our client: each thing that such a server relies on. The stand-in sends what
 * the real one was seen to send.
 */
import assert from 'node:assert/strict'
import { access, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { clientAt } from './harness/client-at.ts'
import { Hold } from './harness/held.ts'
import { Lab, until } from './harness/lab.ts'
import type { ClientUnderTest } from './harness/lab.ts'
import { freePort } from './harness/port.ts'
import { RServer, disposition } from './harness/r-server.ts'
import type { RJob } from './harness/r-server.ts'
import { readZip } from './harness/zip.ts'

/** Its scripts need this line; with ours it means nothing. */
const trap = `trap 'echo "$?" > .orchestrator.exit' EXIT\n`

const contentOf = (name: string) => (name.endsWith('empty') ? '' : `content of ${name}`)

const became = ({ program }: ClientUnderTest, { payload }: RJob, status: string) =>
  program.line((line) => line['payload'] === payload && line['status'] === status)

async function filesOf({ zip }: RJob): Promise<Map<string, string>> {
  assert.ok(zip, 'it has the result')
  const entries = [...(await readZip(zip))]
  return new Map(entries.map(([name, { content }]) => [name, content.toString()]))
}

test('the stand-in writes the heads of parts as the real one was seen to', () => {
  const seen = {
    'run.sh': 'name="run.sh"; filename="run.sh"',
    'a b.txt': `name*=utf-8''a%20b.txt; filename="a b.txt"`,
    'ünï.txt': `name*=utf-8''%C3%BCn%C3%AF.txt; filename="ünï.txt"`,
    'sub dir/tail ': `name*=utf-8''sub%20dir%2Ftail%20; filename="tail "`,
    'plain/deep/file.txt': `name*=utf-8''plain%2Fdeep%2Ffile.txt; filename="file.txt"`,
    [`q"uo%41te's;=a.txt`]: `name*=utf-8''q%22uo%2541te's;=a.txt; filename="q\\"uo%41te's;=a.txt"`,
    'back\\slash': 'name="back\\slash"; filename="back\\\\slash"',
  }
  for (const [path, head] of Object.entries(seen)) {
    assert.equal(disposition(path), `Content-Disposition: form-data; ${head}`)
  }
})

test('a job that succeeds is fetched, its trap and all', async () => {
  await using lab = await Lab.create()
  const server = new RServer((await lab.client()).address)
  const job = await server.submit({
    'run.sh': `${trap}tr a-z A-Z < in.txt > out.txt; echo said`,
    'in.txt': 'abc',
  })
  assert.ok(job.payload > 0 && job.payload < 2 ** 31)
  await server.settle(job)
  assert.equal(job.status, 'Completed')
  const files = await filesOf(job)
  assert.deepEqual(
    ['out.txt', 'in.txt', '.orchestrator.exit', '.orchestrator/stdout.log'].map((name) =>
      files.get(name),
    ),
    ['ABC', 'abc', '0\n', 'said\n'],
  )
})

test('a job that fails is Failed, whatever its trap writes', async () => {
  await using lab = await Lab.create()
  const server = new RServer((await lab.client()).address)
  const failed = await server.submit({ 'run.sh': `${trap}echo x > out; exit 7` })
  const lied = await server.submit({ 'run.sh': 'echo 0 > .orchestrator.exit; exit 1' })
  for (const job of [failed, lied]) {
    await server.settle(job)
    assert.equal(job.status, 'Failed')
  }
  const entries = await readZip(await server.partial(failed))
  assert.equal(entries.get('.orchestrator.exit')?.content.toString(), '7\n')
})

test('a job without run.sh is taken, and then Invalid', async () => {
  await using lab = await Lab.create()
  const server = new RServer((await lab.client()).address)
  const job = await server.submit({ 'input.txt': 'x', 'sub/run.sh': 'true' })
  await server.settle(job)
  assert.equal(job.status, 'Invalid')
})

test('a job that runs is Running in JSON until its ZIP is there, and never Completed', async () => {
  await using lab = await Lab.create()
  const client = await lab.client()
  const server = new RServer(client.address)
  const hold = new Hold(lab)
  const job = await server.submit({ 'run.sh': `${hold.wait}; head -c 9000000 /dev/urandom > big` })
  await became(client, job, 'Running')
  await hold.release()
  // As often as it can, over the end of the script and the packing.
  while (job.zip === undefined) await server.retrieve(job)
  assert.equal(job.status, 'Completed')
  assert.deepEqual(job.told, ['Running'])
})

test('without a free slot a job is taken, and stays Prepared until there is one', async () => {
  await using lab = await Lab.create()
  const client = await lab.client({ args: ['--slots', '1'] })
  const server = new RServer(client.address)
  const hold = new Hold(lab)
  const first = await server.submit({ 'run.sh': hold.wait })
  await became(client, first, 'Running')
  const second = await server.submit({ 'run.sh': 'echo 2' })
  await server.retrieve(second)
  assert.equal(second.status, 'Prepared')
  await hold.release()
  for (const job of [first, second]) {
    await server.settle(job)
    assert.equal(job.status, 'Completed')
  }
})

test('a job that runs can be terminated', async () => {
  await using lab = await Lab.create()
  const client = await lab.client()
  const server = new RServer(client.address)
  const job = await server.submit({ 'run.sh': `${trap}echo begun; sleep 600; echo never > never` })
  await became(client, job, 'Running')
  await server.terminate(job)
  await became(client, job, 'Killed')
  await server.retrieve(job)
  assert.equal(job.status, 'Killed', 'also if it asks once more')
  assert.ok(!(await readZip(await server.partial(job))).has('never'))
  await server.terminate(job)
})

test('a job that is terminated while it is Prepared never starts', async () => {
  await using lab = await Lab.create()
  const client = await lab.client({ args: ['--slots', '1'] })
  const server = new RServer(client.address)
  const hold = new Hold(lab)
  const mark = join(lab.directory, 'started')
  const first = await server.submit({ 'run.sh': hold.wait })
  await became(client, first, 'Running')
  const second = await server.submit({ 'run.sh': `touch '${mark}'` })
  const third = await server.submit({ 'run.sh': 'true' })
  await server.terminate(second)
  await became(client, second, 'Killed')
  await hold.release()
  await server.settle(third)
  assert.equal(third.status, 'Completed')
  await assert.rejects(access(mark))
})

test('partial results can be had in every status', async () => {
  await using lab = await Lab.create()
  const client = await lab.client({ args: ['--slots', '1'] })
  const server = new RServer(client.address)
  const hold = new Hold(lab)
  const running = await server.submit({ 'run.sh': `echo 1 > early; ${hold.wait}; echo 2 > late` })
  await until('it has begun', async () =>
    (await readZip(await server.partial(running))).has('early'),
  )
  const prepared = await server.submit({ 'run.sh': 'true', 'in.txt': 'x' })
  const names = async (job: RJob) => [...(await readZip(await server.partial(job))).keys()]
  assert.ok((await names(prepared)).includes('in.txt'))
  assert.ok(!(await names(running)).includes('late'))
  await hold.release()
  await server.settle(running)
  assert.ok((await names(running)).includes('late'))
  const unknown: RJob = { ...running, payload: running.payload + 1_000_000 }
  await assert.rejects(server.partial(unknown), /^Error: 404 /)
})

test('names with spaces, directories, parentheses and in any script arrive as they are', async () => {
  await using lab = await Lab.create()
  const server = new RServer((await lab.client()).address)
  const names = [
    'a b.txt',
    'copy (1).txt',
    "it's; odd=1, [x] {y} & #1?.txt",
    '"quoted" 100% %41.txt',
    'größe.txt',
    'データ/結果 1.txt',
    'a/b/c/deep.txt',
    'sub dir/ünter/x y (2).txt',
    'a/b/c/empty',
    'other/deep.txt',
  ]
  const inputs = Object.fromEntries(names.map((name) => [name, contentOf(name)]))
  const job = await server.submit({ ...inputs, 'run.sh': `${trap}find . -type f | wc -l` })
  await server.settle(job)
  const files = await filesOf(job)
  for (const name of names) assert.equal(files.get(name), contentOf(name), name)
  const count = Number(files.get('.orchestrator/stdout.log'))
  assert.equal(count, names.length + 1, 'all of them were there for the script')
})

test('large files go both ways, whole', async () => {
  await using lab = await Lab.create()
  const server = new RServer((await lab.client()).address)
  // Ends of lines and beginnings of delimiters everywhere.
  const large = Buffer.alloc(30_000_000, 'line\r\n--and-another\r\r\n-')
  const job = await server.submit({
    'run.sh': 'cat large.bin large.bin > twice',
    'large.bin': large,
  })
  await server.settle(job)
  const entries = await readZip(job.zip ?? Buffer.alloc(0))
  assert.ok(entries.get('large.bin')?.content.equals(large))
  assert.ok(entries.get('twice')?.content.equals(Buffer.concat([large, large])))
})

test('a restart of the client in between changes nothing: payloads stay, ids go on', async () => {
  await using lab = await Lab.create()
  const port = await freePort()
  const first = await clientAt(lab, port)
  const server = new RServer(first.address)
  const hold = new Hold(lab)
  const ended = await server.submit({ 'run.sh': 'echo 1 > out' })
  await became(first, ended, 'Completed')
  const running = await server.submit({ 'run.sh': `${hold.wait}; echo 2 > out` })
  await became(first, running, 'Running')
  assert.equal(await first.program.stop('SIGKILL'), 'SIGKILL')
  const settled = Promise.all([ended, running].map((job) => server.settle(job)))

  await clientAt(lab, port)
  const next = await server.submit({ 'run.sh': 'true' })
  assert.ok(next.payload > running.payload && running.payload > ended.payload)
  await hold.release()
  await settled
  assert.equal((await filesOf(ended)).get('out'), '1\n')
  assert.equal((await filesOf(running)).get('out'), '2\n')
})

test('ids do not come again when the client has lost its data', async () => {
  await using lab = await Lab.create()
  const port = await freePort()
  const first = await clientAt(lab, port)
  const server = new RServer(first.address)
  const before = await server.submit({ 'run.sh': 'echo old' })
  await became(first, before, 'Completed')
  await first.program.stop()
  await rm(join(lab.directory, 'client'), { recursive: true })

  const second = await clientAt(lab, port)
  const after = await server.submit({ 'run.sh': 'echo new' })
  await became(second, after, 'Completed')
  assert.ok(Math.abs(after.payload - before.payload) > 1, 'it begins somewhere else')
  for (const { payload } of [before, after]) assert.ok(payload > 0 && payload < 2 ** 31)
  await server.retrieve(before)
  assert.equal(before.status, 'Submitted', 'nothing is taken for the old one')
})

test('two servers at one client do not disturb each other', async () => {
  await using lab = await Lab.create()
  const { address } = await lab.client({ args: ['--slots', '2'] })
  const run = async (who: string) => {
    const server = new RServer(address)
    const scripts = [1, 2, 3].map((number) => `${trap}echo ${who} ${number}`)
    const jobs = await Promise.all(scripts.map((script) => server.submit({ 'run.sh': script })))
    await Promise.all(jobs.map((job) => server.settle(job)))
    for (const [index, job] of jobs.entries()) {
      const said = (await filesOf(job)).get('.orchestrator/stdout.log')
      assert.equal(said, `${who} ${index + 1}\n`)
    }
    return jobs.map(({ payload }) => payload)
  }
  const ids = (await Promise.all(['ada', 'bob'].map(run))).flat()
  assert.equal(new Set(ids).size, 6)
})

test('what is refused says so with a status, and nothing is left of it', async () => {
  await using lab = await Lab.create()
  const client = await lab.client({ args: ['--max-upload-size', '1000'] })
  const server = new RServer(client.address)
  const large = { 'run.sh': 'true', 'large.bin': Buffer.alloc(2000) }
  await assert.rejects(server.submit(large), /^Error: Failed: 413 /)
  assert.equal((await server.submit({ 'run.sh': 'true' })).status, 'Submitted')
})
