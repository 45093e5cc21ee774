/** What a script could have of the client without asking for it: its files and its descriptors. */
import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Lab } from '../harness/lab.ts'

test('a descriptor that the client was started with reaches no script', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
  t.after(() => rm(directory, { recursive: true }))
  await using lab = await Lab.create()
  // Node.js closes such ones for its children up to the first gap.
  const through = ['bash', '-c', `exec 200<'${directory}' 251<'${directory}'; exec "$@"`, 'bash']
  const { api } = await lab.pair({}, { through })
  const { id } = await api.run('for fd in /proc/$$/fd/*; do readlink "$fd"; done >fds.txt; true')
  const open = (await api.files(id)).get('fds.txt')?.content.toString() ?? ''
  assert.match(open, /stdout\.log/)
  assert.ok(!open.includes(directory), open)
})

test('what a client keeps of its payloads is for its own user alone', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const id = await api.upload('sleep 20')
  await api.reached(id, 'Running')
  const data = join(lab.directory, 'client', 'payloads')
  const payload = (await readdir(data)).find((name) => /^\d+$/.test(name)) ?? ''
  assert.equal(await forOthers(join(data, payload)), 0, 'the directory of a payload')
  assert.equal(await forOthers(join(data, payload, 'payload.json')), 0, 'its key')
  assert.equal(await forOthers(join(data, 'client.sqlite')), 0, 'all keys')
  assert.equal(await forOthers(join(lab.directory, 'server.sqlite')), 0, "the server's database")
})

/** What others than its user may do with it. */
async function forOthers(path: string): Promise<number> {
  return (await stat(path)).mode & 0o077
}
