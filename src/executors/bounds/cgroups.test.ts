/** Version 2 beside version 1 bounds nothing, but counts and ends. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { cgroupsOf, meansIn } from './cgroups.ts'
import { shellText } from './shell-text.ts'
import { findTrees } from './trees.ts'

const prefix = `job-orchestrator.test-${process.pid}.`

for (const version of ['v1', 'v2'] as const) {
  test(`${version}: what is in a cgroup is counted and ended, whatever it became`, async (t) => {
    const all = findTrees(prefix)
    const trees =
      version === 'v1' ? { ...all, v2: undefined } : { ...all, v1: new Map<never, never>() }
    if (meansIn(trees).end === undefined) return t.skip(`no cgroup of ${version} may be made here`)
    const cgroups = cgroupsOf(trees, `${prefix}1`, { cpuTimeMs: 1 })
    cgroups.make({})
    t.after(() => cgroups.end())
    const text = shellText(cgroups.directories, {})
    const script = 'setsid bash -c "(exec sleep 1000) & (exec sleep 1000) &" & wait; echo gone'
    const shell = spawn('bash', ['-c', `${text}\nfor i in {1..30000}; do :; done; ${script}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(shell.stdout, 'data')
    await once(shell, 'exit')
    assert.equal(cgroups.pids().length, 2)
    assert.ok(Number(cgroups.cpuMs()) > 0)
    assert.deepEqual(cgroups.hits(), { memoryBytes: 0, processes: 0 })
    assert.equal(await cgroups.end(), true)
    assert.deepEqual(
      cgroups.directories.filter((directory) => existsSync(directory)),
      [],
    )
    assert.deepEqual(cgroups.pids(), [])
    return undefined
  })
}

test('a shell that cannot be put into its cgroup is told so', async () => {
  const text = shellText(['/nowhere'], {})
  const command = `eval "$0" || exit 126; echo on`
  const shell = spawn('bash', ['-c', command, text], { stdio: ['ignore', 'pipe', 'ignore'] })
  const [exitCode] = (await once(shell, 'exit')) as [number]
  assert.equal(exitCode, 126)
})
