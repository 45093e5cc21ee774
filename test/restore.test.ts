/** `job-orchestrator restore`: a server is what it was at the time of a backup, and goes on. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Api } from './harness/api.ts'
import { backUp, loseDatabase, loseFiles, restore, told } from './harness/backups.ts'
import { Hold } from './harness/held.ts'
import { Lab } from './harness/lab.ts'

/** A script whose result tells whose it is. */
const ofUser = (user: string, wait = '') => `${wait}\necho ${user} > whose.txt`

async function whose(api: Api, id: number): Promise<string | undefined> {
  return (await api.files(id)).get('whose.txt')?.content.toString().trim()
}

/** Two at once, so that there are queued ones too. */
const limits = { SERVICE_EXAMPLE_MAX_RUNS: '2', SERVICE_EXAMPLE_RUNS_PER_USER: '2' }

/** Jobs in all statuses, a backup, and more jobs; then the server is killed. */
async function liveAndBackUp(lab: Lab) {
  const { api, program, client } = await lab.pair({ env: limits })
  const hold = new Hold(lab)
  const completed = await api.run(ofUser('ada'), { user: 'ada' })
  const failed = await api.run('exit 3', { user: 'ada' })
  const running = await api.upload(ofUser('bob', hold.wait), { user: 'bob' })
  const ending = await api.upload(ofUser('eve', `sleep 0.1; ${new Hold(lab, 'e').wait}`), {
    user: 'eve',
  })
  await Promise.all([api.reached(running, 'Running'), api.reached(ending, 'Running')])
  const queued = await api.upload(ofUser('cleo'), { user: 'cleo' })
  const killed = await api.upload('true', { user: 'cleo' })
  await api.terminate(killed)
  await backUp(lab)
  // Its client is told to forget it, which the backup knows nothing of.
  await new Hold(lab, 'e').release()
  await api.ended(ending)
  const later = await api.run(ofUser('mallory'), { user: 'mallory' })
  const last = await api.upload(ofUser('mallory', hold.wait), { user: 'mallory' })
  await api.reached(queued, 'Completed')
  await api.reached(last, 'Running')
  await program.stop('SIGKILL')
  return { client, hold, completed, failed, running, ending, queued, killed, later, last }
}

describe('a restore', { concurrency: 3 }, () => {
  for (const [name, burn] of [
    ['nothing', async () => {}],
    ['the database', loseDatabase],
    [
      'both',
      async (lab: Lab) => {
        await loseDatabase(lab)
        await loseFiles(lab)
      },
    ],
  ] as const) {
    test(`when ${name} was lost, every job of the backup ends, as its user's own`, async () => {
      await using lab = await Lab.create()
      const jobs = await liveAndBackUp(lab)
      await burn(lab)
      const said = await restore(lab)
      assert.equal(told(said, 'jobs without files, now Failed'), '0')
      assert.equal(told(said, 'jobs without files, now Cleaned'), '0')
      const filesLost = name === 'both'
      const databaseLost = name !== 'nothing'
      // Of what was given after the backup, nothing may be left that tells.
      const highest = databaseLost ? (filesLost ? jobs.killed : jobs.last) + 1_000_000 : jobs.last
      assert.equal(told(said, 'next id'), String(highest + 1), said)
      assert.equal(told(said, 'set aside, directories of jobs'), filesLost ? '0' : '2')

      const env = limits
      const services = { example: [jobs.client.address] }
      const { api, program } = await lab.server({ services, env })
      const next = await api.upload(ofUser('nina'), { user: 'nina' })
      assert.equal(next, highest + 1)
      // What the client has of jobs that are gone is no job's any more.
      await program.line(({ msg }) => /holds what is no current attempt: cancelling/.test(msg))
      await jobs.hold.release()
      const ids = [jobs.running, jobs.ending, jobs.queued, next]
      for (const id of ids) assert.equal((await api.ended(id)).status, 'Completed')
      assert.deepEqual(await Promise.all([jobs.completed.id, ...ids].map((id) => whose(api, id))), [
        'ada',
        'bob',
        'eve',
        'cleo',
        'nina',
      ])
      assert.equal((await api.job(jobs.failed.id)).message, 'run.sh ended with exit code 3')
      assert.equal((await api.files(jobs.failed.id, 'download_partial')).has('run.sh'), true)
      assert.equal((await api.job(jobs.killed)).status, 'Killed')
      for (const id of [jobs.later.id, jobs.last]) {
        assert.equal((await api.get(`/download/${id}`)).status, 404)
      }
      assert.equal((await api.health()).services[0]?.active, 0)
    })
  }
})
