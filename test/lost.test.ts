/** Attempts that a client accepted and lost. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Lab } from './harness/lab.ts'

test('a job whose supervising shell vanished is sent again, and not as the same attempt', async () => {
  await using lab = await Lab.create()
  const { api, client } = await lab.pair()
  const ledger = join(lab.directory, 'ledger')
  const job = await api.run(
    `echo "$ATTEMPT" >> '${ledger}'; [ "$ATTEMPT" -gt 2 ] || kill -9 $PPID; echo done > out`,
  )
  assert.equal(job.status, 'Completed')
  assert.equal(await readFile(ledger, 'utf8'), '1\n2\n3\n')
  assert.deepEqual(
    job.attempts.map(({ outcome }) => outcome),
    [
      'its supervising shell vanished without an exit code',
      'its supervising shell vanished without an exit code',
      'run.sh ended with exit code 0',
    ],
  )
  assert.equal((await api.files(job.id)).get('out')?.content.toString(), 'done\n')
  const health = await fetch(`${client.address}/health`)
  assert.equal(((await health.json()) as { active: number }).active, 0)
})

test('a job that is lost too often fails, with the reason', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair({ args: ['--max-attempts', '2'] })
  const job = await api.run('kill -9 $PPID')
  assert.equal(job.status, 'Failed')
  assert.match(job.message, /lost 2 times .*its supervising shell vanished/)
  assert.equal(job.attempts.length, 2)
})
