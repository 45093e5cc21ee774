/** A script fills the disk, and is to be ended. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { Lab, until } from './harness/lab.ts'

const run = promisify(execFile)

test('a script that has filled the disk can be ended, and is ended by its limit', async (t) => {
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
    const { address } = await lab.client()
    const { api } = await lab.server({
      services: { free: [address], limited: [address] },
      env: { SERVICE_LIMITED_MAX_RUNTIME: '2s' },
    })
    const script = "trap 'rm big; exit 1' TERM; cat /dev/zero > big; sleep 1000 & wait"
    const terminated = await api.upload(script, { service: 'free' })
    await until('the disk is full', async () => (await statfs(small)).bavail === 0)
    await api.terminate(terminated)
    assert.equal((await api.ended(terminated)).status, 'Killed')
    const job = await api.run(script, { service: 'limited' })
    assert.equal(job.status, 'Failed')
    assert.match(job.message, /^run\.sh was ended by its time limit: /)
  } finally {
    await run('umount', ['--lazy', small])
  }
})
