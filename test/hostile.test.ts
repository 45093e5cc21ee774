/** Work directories that nobody would expect: the client lives on, and says what became of them. */
import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Lab, until } from './harness/lab.ts'

/** Payload directories of the lab's client, and what waits to be removed. */
async function left(lab: Lab): Promise<string[]> {
  const payloads = join(lab.directory, 'client', 'payloads')
  const names = (await readdir(payloads)).filter((name) => /^\d+$/.test(name))
  return [...names, ...(await readdir(join(payloads, 'trash')))]
}

test('a script may remove its own work directory, and its home', async () => {
  await using lab = await Lab.create()
  const { api, client } = await lab.pair()
  const job = await api.run('echo said; rm -rf "$PWD" "$HOME" "$TMPDIR"')
  assert.equal(job.status, 'Completed')
  const files = await api.files(job.id)
  assert.equal(files.get('.orchestrator/stdout.log')?.content.toString(), 'said\n')
  assert.match(files.get('.orchestrator/job.json')?.content.toString() ?? '', /directory is gone/)
  assert.equal((await api.run('true')).status, 'Completed')
  assert.equal(client.program.child.exitCode, null)
  await until('nothing is left', async () => (await left(lab)).length === 0)
})

test('times before there were ZIPs, and names that look like drives, are packed', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const job = await api.run(
    `echo 1 > old; touch -d 1960-01-01 old; mkdir ancient; touch -d 1901-01-01 ancient
     ln -s old link; touch -h -d 1960-01-01 link; echo 2 > far; touch -d 2200-01-01 far
     echo 3 > A:0201.txt; mkdir C:; echo 4 > C:/x`,
  )
  assert.equal(job.status, 'Completed', job.message)
  const files = await api.files(job.id)
  assert.equal(files.get('old')?.mtime.getFullYear(), 1980)
  assert.ok(files.has('ancient/') && files.has('link') && files.has('far'))
  assert.equal(files.get('./A:0201.txt')?.content.toString(), '3\n')
  assert.equal(files.get('./C:/x')?.content.toString(), '4\n')
})

test('a tree that is deeper than a path may be long is left out, and removed', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const name = 'd'.repeat(200)
  const job = await api.run(
    `echo kept > kept; for i in $(seq 40); do mkdir ${name} && cd -P ${name} || exit 3; done`,
  )
  assert.equal(job.status, 'Completed', job.message)
  const files = await api.files(job.id)
  assert.equal(files.get('kept')?.content.toString(), 'kept\n')
  assert.match(files.get('.orchestrator/job.json')?.content.toString() ?? '', /ENAMETOOLONG/)
  await until('nothing is left', async () => (await left(lab)).length === 0)
})

test('directories that may not be written or read are removed too', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const job = await api.run('mkdir -p a/b c; echo 1 > a/b/f; chmod 555 a/b a; chmod 000 c')
  assert.equal(job.status, 'Completed', job.message)
  assert.equal((await api.files(job.id)).get('a/b/f')?.content.toString(), '1\n')
  await until('nothing is left', async () => (await left(lab)).length === 0)
})

test('a download that is broken off again and again leaves no file open', async () => {
  await using lab = await Lab.create()
  const { api, client } = await lab.pair()
  const id = await api.upload('head -c 3000000 /dev/urandom > big; sleep 60')
  await api.reached(id, 'Running')
  const open = async () => (await readdir(`/proc/${client.program.pid}/fd`)).length
  const before = await open()
  for (let round = 0; round < 30; round++) {
    const abort = new AbortController()
    const response = await fetch(`${api.address}/download_partial/${id}`, abort)
    await response.body?.getReader().read()
    abort.abort()
  }
  await until('all are closed', async () => (await open()) <= before + 2)
  await api.terminate(id)
  assert.equal(client.program.errors, '')
})
