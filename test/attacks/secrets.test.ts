/** Where a token might be found by who is not to have it. */
import assert from 'node:assert/strict'
import { readFile, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { form } from '../harness/api.ts'
import { backUp } from '../harness/backups.ts'
import { Lab } from '../harness/lab.ts'
import { file, uploadRaw } from '../harness/raw.ts'
import { makeToken, tokenCommand } from '../harness/tokens.ts'

/** Files below a directory that hold these bytes, and how many were looked at. */
async function filesWith(directory: string, bytes: string) {
  const names = await readdir(directory, { recursive: true })
  const holding: string[] = []
  let count = 0
  for (const name of names) {
    const path = join(directory, name)
    if (!(await stat(path)).isFile()) continue
    count++
    if ((await readFile(path)).includes(bytes)) holding.push(name)
  }
  return { holding, count }
}

test('a token stands in no log, file, database, backup, script or history', async () => {
  await using lab = await Lab.create()
  const env = { LOG_LEVEL: 'trace' }
  const { api, program, client } = await lab.pair({ env }, { env })
  const token = await makeToken(lab, 'portal')
  const portal = api.as(token)
  const job = await portal.run('env > env.txt; cat /proc/$PPID/environ >> env.txt; ls -R ..')
  assert.equal(job.status, 'Completed')
  const entries = await portal.files(job.id)
  // What goes wrong with a token at hand.
  await portal.post('/upload')
  await portal.post('/upload', form('true', { user_id: '1', service: token }))
  const mixedUp = await portal.post('/upload', form('true', { user_id: token, service: 'example' }))
  assert.match(mixedUp.body.message, /"user_id" is an API token/)
  const headers = { authorization: `Bearer ${token}`, 'idempotency-key': token }
  const keyed = await uploadRaw(api.address, [file('run.sh', 'true')], undefined, headers)
  assert.match(keyed.body.message, /no API token/)
  await portal.get(`/jobs/${token}`)
  await portal.get('/jobs/1?wait=x')
  await portal.get('/nosuch')
  await api.as(`${token.slice(0, -1)}x`).get('/jobs/1')
  await backUp(lab)
  const list = await tokenCommand(lab, 'list')

  const [, id = '', secret = ''] = token.split('_')
  assert.match(list, new RegExp(id))
  const { holding, count } = await filesWith(lab.directory, secret)
  assert.deepEqual(holding, [])
  assert.ok(count > 10, `${count} files`)
  const said = [program.said, client.program.said, list, JSON.stringify(job)]
  const content = [...entries.values()].map((entry) => entry.content.toString('latin1'))
  assert.match(content.join('\n'), /^JOB_ID=/m)
  for (const text of [...said, ...content]) {
    assert.ok(!text.includes(secret), text)
    assert.doesNotMatch(text, /authorization/i)
  }
})
