/**
 * Scripts that use up what others need: each does what it wants without a limit, and is stopped with
 * one, or gets no further.
 */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { lacksCgroups } from '../harness/cgroups.ts'
import { described } from '../harness/described.ts'
import { Lab, until } from '../harness/lab.ts'

const limit = (name: string, value: string) => ({ fields: { [name]: value } })

/** Forty megabytes in ten files, with time for others to see it. */
const slowly = (how: string) => `for i in {1..10}; do ${how}; sleep 0.2; done`

const diskBombs = {
  'a disk bomb': slowly('head -c 4000000 /dev/zero > f$i'),
  'a disk bomb of files that are removed, and open still': `exec 7>a 8>b 9>c; rm a b c
    ${slowly('head -c 1500000 /dev/zero | tee /dev/fd/7 /dev/fd/8 >&9')}`,
  'an inode bomb': `mkdir d; cd d; for i in {1..5000}; do : > $i; done`,
  'a disk bomb in its TMPDIR': `cd "$TMPDIR"; ${slowly('head -c 4000000 /dev/zero > f$i')}`,
}

test('bombs for the disk', async (t) => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  for (const [name, script] of Object.entries(diskBombs)) {
    await t.test(name, async () => {
      // A look at many files may take its time, and the next one comes later then.
      const patient = `${script}\nsleep 60`
      const ids = [await api.upload(script), await api.upload(patient, limit('max_disk', '12MiB'))]
      const [free, bounded] = await Promise.all(ids.map((id) => api.ended(id)))
      assert.equal(free?.status, 'Completed', free?.message)
      assert.equal(bounded?.status, 'Failed')
      assert.match(bounded?.message ?? '', /^run\.sh was ended by its disk limit of 12 MiB \(watch/)
    })
  }
})

test('a log bomb is cut while it goes on, and its script notices nothing', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const flood = `text() { head -c 5000000 /dev/zero | tr '\\0' x; }; text; text >&2; echo well > ended`
  const free = await api.run(flood)
  const whole = await api.files(free.id)
  assert.equal(whole.get('.orchestrator/stdout.log')?.content.length, 5_000_000)

  const id = await api.upload(`${flood}; sleep 3`, limit('max_output', '100KiB'))
  await api.reached(id, 'Running')
  const payloads = join(lab.directory, 'client/payloads')
  const sizes = () =>
    readdirSync(payloads)
      .filter((name) => /^\d+$/.test(name))
      .map((name) => join(payloads, name, 'stdout.log'))
      .filter((file) => existsSync(file))
      .map((file) => statSync(file).size)
  await until('it is cut', () => sizes().includes(102_401))
  const job = await api.ended(id)
  assert.equal(job.status, 'Completed', job.message)
  const files = await api.files(id)
  assert.equal(String(files.get('ended')?.content), 'well\n')
  for (const log of ['stdout', 'stderr']) {
    const text = String(files.get(`.orchestrator/${log}.log`)?.content)
    const notice = '\n[job-orchestrator: cut off here, at its output limit of 100 KiB]\n'
    assert.equal(text.length, 102_400 + notice.length, text.slice(0, 200))
    assert.ok(text.endsWith(`x${notice}`))
  }
  const { limits } = await described(api, id)
  assert.deepEqual(limits['output'], { bytes: 102_400, of: 'upload', by: 'watching', hits: 2 })
})

test('a fork bomb is as large as it may be, ends with its script, and harms no other', async (t) => {
  const missing = lacksCgroups('processes')
  if (missing !== false) return t.skip(missing)
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const many = 'for i in {1..200}; do sleep 60 & done; jobs -p | wc -l; kill $(jobs -p)'
  const free = await api.run(many)
  assert.equal(String((await api.files(free.id)).get('.orchestrator/stdout.log')?.content), '200\n')
  const ids = await Promise.all([
    api.upload(many, limit('max_processes', '50')),
    api.upload('bomb() { bomb | bomb & }; bomb; sleep 3', limit('max_processes', '50')),
    api.upload('for i in {1..40}; do sleep 1 & done; wait', limit('max_processes', '50')),
  ])
  const [bounded, bomb, other] = await Promise.all(ids.map((id) => api.ended(id, 60_000)))
  assert.equal(bounded?.status, 'Failed')
  assert.match(
    bounded?.message ?? '',
    /it reached its limit of processes of 50 \(cgroup v\d\), the/,
  )
  assert.equal(other?.status, 'Completed', other?.message)
  assert.ok(bomb?.status === 'Completed' || bomb?.status === 'Failed')
  assert.ok(Number((await described(api, ids[1])).limits['processes']?.['hits']) > 0)
  return undefined
})
