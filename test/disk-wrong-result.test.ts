/** Results that are not what was announced: never accepted, and in the end the attempt is lost. */
import assert from 'node:assert/strict'
import { readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Hold } from './harness/held.ts'
import { Lab, until } from './harness/lab.ts'
import { Injection } from './harness/strace.ts'

const harms: Readonly<Record<string, (file: string) => Promise<void>>> = {
  'has another byte': async (file) => {
    const content = await readFile(file)
    content.writeUInt8(content.readUInt8(100) ^ 1, 100)
    await writeFile(file, content)
  },
  'has lost its end': (file) => truncate(file, 1000),
  'has become longer': async (file) => writeFile(file, 'more', { flag: 'a' }),
  'is gone': (file) => rm(file),
  'cannot be read': async () => {},
}

describe('a result at the client', { concurrency: 3 }, () => {
  for (const [what, harm] of Object.entries(harms)) {
    test(`that ${what} is not accepted, and its job runs again`, async (t) => {
      await using lab = await Lab.create()
      const { api, program, client } = await lab.pair()
      const hold = new Hold(lab)
      const runs = join(lab.directory, 'runs')
      // A small one would be told together with the end, and not be fetched.
      const noise = 'head -c 100000 /dev/urandom > noise'
      const id = await api.upload(
        `${hold.wait}; echo $ATTEMPT >> '${runs}'; seq 500 > out; ${noise}`,
      )
      await api.reached(id, 'Running')
      // Nobody fetches before it is harmed.
      program.child.kill('SIGSTOP')
      await hold.release()
      const { payload } = await client.program.line(({ status }) => status === 'Completed')
      const file = join(lab.directory, 'client/payloads', String(payload), 'result.zip')
      await harm(file)
      const begun =
        what === 'cannot be read'
          ? await Injection.begin(client.program, 'error=EIO', 'read,pread64', [file])
          : undefined
      if (typeof begun === 'string') return t.skip(begun)
      await using injections = new AsyncDisposableStack()
      if (begun) injections.use(begun)
      program.child.kill('SIGCONT')
      const job = await api.ended(id)
      assert.equal(job.status, 'Completed', program.said)
      assert.deepEqual(
        job.attempts.map(({ outcome }) => outcome?.replace(/:.*/s, '')),
        ['its result came wrong 3 times', 'run.sh ended with exit code 0'],
      )
      assert.equal(await readFile(runs, 'utf8'), '1\n2\n')
      const out = (await api.files(id)).get('out')?.content.toString() ?? ''
      assert.deepEqual([out.length, out.slice(-4)], [1892, '500\n'])
      const kept = await readdir(join(lab.directory, 'server/jobs', String(id)))
      assert.deepEqual(kept.toSorted(), ['input', 'result.2.zip'])
      await until('nothing is left', async () => {
        const names = await readdir(join(lab.directory, 'client/payloads'))
        return names.every((name) => !/^\d+$/.test(name))
      })
      assert.equal(client.program.child.exitCode, null)
      return undefined
    })
  }
})
