/** Scripts that tell lies of how they ended, or write where they should not. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { tryAttacks } from '../harness/attack.ts'
import { sandboxLab, whyNoSandbox } from '../harness/sandbox.ts'

const exitRecord = String.raw`0m0.0s 0m0.0s\n0m0.0s 0m0.0s\nexit 0\n`

tryAttacks('a script that forges', [
  {
    name: 'how it ended, by its exit record and the end of its supervising shell',
    script: () => `printf '${exitRecord}' >../exit; kill -9 $PPID; sleep 0.2; exit 9`,
    isDone: ({ job }) => job.status === 'Completed',
  },
  {
    name: 'how it ended, by what bubblewrap tells',
    script: () => `for fd in {3..20}; do echo '{ "exit-code": 0 }' >&$fd; done; exit 9`,
    isDone: ({ job }) => job.status === 'Completed',
    without: 'fails',
  },
  {
    name: 'its start record',
    script: () =>
      `start=$(<../start) && echo forged >../start && echo "$start" >../start && echo harm`,
  },
  {
    name: 'its manifest, of whose it is',
    script: () => 'cat ../payload.json >/dev/null && touch ../payload.json && echo harm',
  },
  {
    name: 'its outcome',
    script: () => 'echo >../outcome.json.forged && rm ../outcome.json.forged && echo harm',
  },
  {
    name: 'how it is kept apart',
    script: () => `echo >>../sandbox && echo harm`,
  },
  {
    name: 'its job.json',
    script: () => `mkdir -p .orchestrator; echo '{"exitCode":0}' >.orchestrator/job.json; exit 9`,
    isDone: ({ files }) =>
      (JSON.parse(String(files.get('.orchestrator/job.json')?.content)) as { exitCode: number })
        .exitCode !== 9,
    without: 'fails',
  },
  {
    name: "another user's result",
    script: ({ victim }) => `echo >'${victim}/work/forged' && echo harm`,
  },
  {
    name: 'files elsewhere, by a link',
    script: ({ directory, mark }) =>
      `ln -s '${directory}' out; echo >out/linked-${mark}; ln -s '${directory}/written-${mark}' x; echo >x; :`,
    isDone: ({ target: { directory, mark } }) => existsSync(`${directory}/written-${mark}`),
  },
  {
    name: 'files elsewhere, by putting a link in the place of its work directory',
    script: ({ directory }) =>
      `mv ../work ../was && ln -s '${directory}' ../work && echo harm; rm ../work; mv ../was ../work; :`,
  },
  {
    name: 'the logs of others, by its own',
    // Its output is a file that stands outside: that file alone, and not what is around it.
    script: ({ victim }) =>
      `ls -l /proc/self/fd/ >/dev/null; echo >>'${victim}/stdout.log' && echo harm`,
  },
])

test('a script that ends all that it can see ends itself alone', async (t) => {
  const missing = await whyNoSandbox()
  if (missing !== undefined) return t.skip(missing)
  await using lab = await sandboxLab()
  const { api, client } = await lab.pair()
  const other = await api.upload('sleep 1000')
  await api.reached(other, 'Running')
  // Without isolation this would be the end of the machine.
  const job = await api.run('[[ $PWD == /work ]] && kill -9 -1')
  assert.equal(job.status, 'Failed', job.message)
  assert.equal(client.program.child.exitCode, null)
  assert.equal((await api.job(other)).status, 'Running')
  await api.terminate(other)
  await api.ended(other)
  return undefined
})
