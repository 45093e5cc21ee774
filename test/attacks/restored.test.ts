/** Who had a token once waits for the day when a backup is restored that still knows it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backUp, loseDatabase, restore, told } from '../harness/backups.ts'
import { Lab } from '../harness/lab.ts'
import { makeToken, revokeToken, tokenCommand } from '../harness/tokens.ts'

const nobody = { example: ['http://127.0.0.1:1'] }

test('a token that was revoked after the backup is not valid again, and a newer one still is', async () => {
  await using lab = await Lab.create()
  const { api, program } = await lab.server({ services: nobody })
  const id = await api.upload('true')
  const old = await makeToken(lab, 'portal')
  await backUp(lab)
  await revokeToken(lab, 'portal')
  const fresh = await makeToken(lab, 'portal', 'read')
  await program.stop()
  // Twice: what a restore has brought over is there for the next one.
  for (let time = 0; time < 2; time++) {
    assert.equal(told(await restore(lab), 'tokens'), 'as they were last')
    const again = await lab.server({ services: nobody })
    const { status, body } = await again.api.as(old).get(`/jobs/${id}`)
    assert.deepEqual([status, body.message], [401, 'the token "portal" was revoked'])
    assert.equal((await again.api.as(fresh).job(id)).status, 'Queued')
    await again.program.stop()
  }
})

test('where the database was lost, the backup’s tokens count, and it is closed still', async () => {
  await using lab = await Lab.create()
  const { program } = await lab.server({ services: nobody })
  const token = await makeToken(lab, 'portal')
  await backUp(lab)
  await program.stop()
  await loseDatabase(lab)
  assert.match(told(await restore(lab), 'tokens'), /^as in the backup/)
  assert.match(await tokenCommand(lab, 'list'), /portal .* valid$/)
  const again = await lab.server({ services: nobody })
  assert.equal((await again.api.get('/jobs/1')).status, 401)
  assert.equal((await again.api.as(token).get('/jobs/1')).status, 404)
})

test('a server that has become closed since its backup does not open by a restore', async () => {
  await using lab = await Lab.create()
  const { program } = await lab.server({ services: nobody })
  await backUp(lab)
  await makeToken(lab, 'portal')
  await program.stop()
  await restore(lab)
  const again = await lab.server({ services: nobody })
  assert.equal((await again.api.get('/jobs/1')).status, 401)
})
