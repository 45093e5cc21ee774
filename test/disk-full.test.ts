/** A client whose disk is full. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { Lab } from './harness/lab.ts'

const run = promisify(execFile)

test('a script that fills the disk fails and says so, and the client goes on', async (t) => {
  await using lab = await Lab.create()
  const small = join(lab.directory, 'client')
  await mkdir(small)
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', small])
  } catch (error) {
    t.skip(`a small file system cannot be mounted here: ${String(error).split('\n')[0]}`)
    return
  }
  try {
    const { api, program, client } = await lab.pair()
    const full = await api.upload('cat /dev/zero > big')
    // It is tried again for a while: another job might end and make room.
    await program.line(({ job, to }) => job === full && to === 'Failed')
    const job = await api.job(full)
    assert.match(job.message, /the result could not be packed: there is no space left on the disk/)
    const files = await api.files(full, 'download_partial')
    assert.ok(files.has('.orchestrator/job.json') && !files.has('big'))
    assert.equal((await api.run('true')).status, 'Completed')
    assert.equal(await client.program.stop(), 0)
  } finally {
    await run('umount', ['--lazy', small])
  }
})
