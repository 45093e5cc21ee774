/** What the server does when the files of a job are not where they should be. */
import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Lab } from './harness/lab.ts'

test('a result that is gone from the disk is an internal fault, and the server lives on', async () => {
  await using lab = await Lab.create()
  const { api, program } = await lab.pair()
  const job = await api.run('true')
  await rm(join(lab.directory, 'server', 'jobs', String(job.id), 'result.1.zip'))
  for (const path of ['download', 'download_partial']) {
    const head = await fetch(`${api.address}/${path}/${job.id}`, { method: 'HEAD' })
    assert.equal(head.status, 500)
    const { status, body } = await api.get(`/${path}/${job.id}`)
    assert.deepEqual([status, body], [500, { id: 0, status: 'Unknown', message: 'internal' }])
  }
  await program.line(({ err }) => JSON.stringify(err ?? '').includes('ENOENT'))
  assert.equal((await api.run('true')).status, 'Completed')
})

test('a queued job whose files are gone fails, and says so', async () => {
  await using lab = await Lab.create()
  const nobody = await lab.server({ services: { example: ['http://127.0.0.1:9'] } })
  assert.equal(await nobody.api.upload('true'), 1)
  await nobody.program.stop()
  await rm(join(lab.directory, 'server', 'jobs', '1', 'input'), { recursive: true })
  const client = await lab.client()
  const { api } = await lab.server({ services: { example: [client.address] } })
  const job = await api.ended(1)
  assert.equal(job.status, 'Failed')
  assert.match(job.message, /the uploaded files are gone from the disk/)
})
