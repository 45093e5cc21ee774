/**
 * A client whose disk fails: what it could not make durable it does not have, and no script of it
 * ever starts; its memory ends the process, while its scripts go on.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { form } from './harness/api.ts'
import { clientAt } from './harness/client-at.ts'
import { Hold } from './harness/held.ts'
import { Lab, until } from './harness/lab.ts'
import type { ClientUnderTest } from './harness/lab.ts'
import { Injection } from './harness/strace.ts'

const eio = 'error=EIO'
const writes = 'write,pwrite64,writev,pwritev'
const renames = 'rename,renameat,renameat2'

/** Ids of a client's payloads follow each other: where its next one will be. */
async function nextPayload(lab: Lab, { program }: ClientUnderTest): Promise<string> {
  const { payload } = await program.line(({ status }) => status === 'Completed')
  return join(lab.directory, 'client/payloads', String(Number(payload) + 1))
}

const portOf = ({ address }: ClientUnderTest) => Number(new URL(address).port)

async function payloadsOf(lab: Lab): Promise<string[]> {
  const root = join(lab.directory, 'client', 'payloads')
  const parents = [root, join(root, 'incoming'), join(root, 'trash')]
  const names = await Promise.all(parents.map((parent) => readdir(parent)))
  return names.flat().filter((name) => /^\d|^[0-9a-f]{16}$/.test(name))
}

test('a payload that could not be stored is not taken, and is sent again', async (t) => {
  await using lab = await Lab.create()
  const { api, program, client } = await lab.pair()
  await api.run('true')
  const runs = (id: number) => join(lab.directory, `runs-${id}`)
  for (const [what, calls] of [
    ['its directory cannot be made', 'mkdir,mkdirat'],
    ['it cannot get its name', renames],
  ] as const) {
    let id: number
    {
      const injection = await Injection.begin(client.program, eio, calls)
      if (typeof injection === 'string') return t.skip(injection)
      await using begun = injection
      id = await api.upload(`echo $ATTEMPT >> '${lab.directory}/runs-'$JOB_ID`)
      const { reason } = await program.line((line) => {
        return line['job'] === id && line['from'] === 'Processing'
      })
      assert.match(String(reason), /500: the disk has failed/, what)
      assert.ok(begun.count > 0, what)
    }
    const job = await api.ended(id)
    assert.equal(job.status, 'Completed', what)
    assert.ok(job.attempts.length > 1, what)
    assert.match(await readFile(runs(id), 'utf8'), /^\d+\n$/, 'it ran once')
  }
  await until('nothing is left', async () => (await payloadsOf(lab)).length === 0)
  return undefined
})

test('a payload without a key that could not be made durable is not taken', async (t) => {
  await using lab = await Lab.create()
  const { api, client } = await lab.pair()
  await api.run('true')
  const ran = join(lab.directory, 'ran')
  await until('the trash is empty', async () => (await payloadsOf(lab)).length === 0)
  for (const [what, calls, path] of [
    ['a file or its manifest cannot be flushed', 'fdatasync', null],
    ['a directory cannot be flushed', 'fsync', null],
    ['its name cannot be flushed', 'fsync', join(lab.directory, 'client/payloads')],
    ['it cannot get its name', renames, null],
  ] as const) {
    const injection = await Injection.begin(client.program, eio, calls, path === null ? [] : [path])
    if (typeof injection === 'string') return t.skip(injection)
    await using begun = injection
    const body = form(`touch '${ran}'`, {})
    const response = await fetch(`${client.address}/submit`, { method: 'POST', body })
    assert.equal(response.status, 500, what)
    assert.match(await response.text(), /the disk has failed/, what)
    assert.ok(begun.count > 0, what)
    assert.deepEqual(await payloadsOf(lab), [], what)
  }
  await client.program.stop('SIGKILL')
  await clientAt(lab, portOf(client))
  assert.equal((await api.run('true')).status, 'Completed')
  assert.ok(!existsSync(ran))
  return undefined
})

describe('a result', { concurrency: 2 }, () => {
  for (const [what, calls, path] of [
    ['cannot be written', writes, '/result.zip'],
    ['cannot be flushed', 'fdatasync', '/result.zip'],
    ['cannot have its outcome named', renames, '/outcome.json.part'],
    ['cannot have its name flushed', 'fsync', ''],
  ] as const) {
    test(`that ${what} is not told of before it is packed anew`, async (t) => {
      await using lab = await Lab.create()
      const { api, client } = await lab.pair()
      await api.run('true')
      const directory = await nextPayload(lab, client)
      const hold = new Hold(lab)
      const id = await api.upload(`${hold.wait}; head -c 20000 /dev/urandom > out`)
      await api.reached(id, 'Running')
      {
        const injection = await Injection.begin(client.program, eio, calls, [directory + path])
        if (typeof injection === 'string') return t.skip(injection)
        await using begun = injection
        await hold.release()
        await client.program.line(({ msg }) => /could not be packed/.test(msg))
        assert.ok(begun.count > 0)
        await until('it is discarded', async () => {
          return (await readdir(directory)).every((name) => !/result|outcome/.test(name))
        })
        assert.equal((await api.job(id)).status, 'Running')
      }
      const job = await api.ended(id)
      assert.equal(job.status, 'Completed', job.message)
      assert.equal((await api.files(id)).get('out')?.content.byteLength, 20_000)
      assert.equal(job.attempts.length, 1)
      return undefined
    })
  }
})

test("a client's memory that cannot be written ends it; its scripts go on", async (t) => {
  await using lab = await Lab.create()
  const { api, program, client } = await lab.pair()
  const done = await api.run('true')
  const hold = new Hold(lab)
  const runs = join(lab.directory, 'runs')
  const id = await api.upload(`${hold.wait}; echo $ATTEMPT >> '${runs}'`)
  await api.reached(id, 'Running')
  const journal = join(lab.directory, 'client/payloads/client.sqlite-wal')
  const injection = await Injection.begin(client.program, eio, 'fsync,fdatasync', [journal])
  if (typeof injection === 'string') return t.skip(injection)
  await using begun = injection
  const key = `0123456789abcdef-${'1'.repeat(32)}`
  await assert.rejects(fetch(`${client.address}/payloads/${key}/cancel`, { method: 'POST' }))
  assert.equal(await client.program.exit(), 1)
  assert.ok(begun.count > 0)
  const last = client.program.lines.at(-1)
  assert.match(last?.msg ?? '', /client\.sqlite cannot be relied on any more: disk I\/O error/)
  assert.equal(last?.['level'], 60)

  await clientAt(lab, portOf(client))
  await hold.release()
  assert.equal((await api.ended(id)).status, 'Completed')
  assert.equal(await readFile(runs, 'utf8'), '1\n')
  assert.equal(done.status, 'Completed')
  await until('nothing is left', async () => (await payloadsOf(lab)).length === 0)
  assert.equal(program.child.exitCode, null)
  return undefined
})
