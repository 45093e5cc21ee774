/** Whoever waits for a job is answered when it ends, and not before. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Gate } from './harness/gate.ts'
import { Lab } from './harness/lab.ts'

test('a download that waits is the result, as soon as it is there', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  await using gate = await Gate.create(lab.directory)
  const id = await api.upload(`${gate.wait}; echo done > out.txt`)
  const ask = (path: string) => fetch(`${api.address}/${path}/${id}?wait=60s`)
  const [download, details] = [ask('download'), ask('jobs')]
  await api.reached(id, 'Running')
  // Asked later, answered earlier.
  const short = await (await fetch(`${api.address}/jobs/${id}?wait=1ms`)).json()
  assert.equal((short as { status: string }).status, 'Running')
  await gate.open()
  assert.equal((await download).headers.get('content-type'), 'application/zip')
  assert.equal(((await (await details).json()) as { status: string }).status, 'Completed')
})

test('what is no time, or a long one, is refused; no job is waited for that is not there', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const id = await api.upload('true')
  for (const wait of ['soon', '2min', '-1']) {
    const { status, body } = await api.get(`/download/${id}?wait=${wait}`)
    assert.equal(status, 400)
    assert.match(body.message, /^wait is ".*": it must be a time of at most 60s/)
  }
  assert.equal((await api.get('/download/999?wait=60s')).status, 404)
})

test('a server that stops lets nobody wait', async () => {
  await using lab = await Lab.create()
  const { api, program } = await lab.pair()
  await using gate = await Gate.create(lab.directory)
  const id = await api.upload(gate.wait)
  await api.reached(id, 'Running')
  const waiting = fetch(`${api.address}/download/${id}?wait=60s`)
  // It is there before the signal is: requests on one connection are taken in turn.
  await api.job(id)
  const stopped = program.stop()
  const answer = await waiting
  assert.equal(((await answer.json()) as { status: string }).status, 'Running')
  assert.equal(await stopped, 0)
})
