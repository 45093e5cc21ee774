/** A process that does all that it can to outlive its script. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { lacksCgroups } from '../harness/cgroups.ts'
import { described } from '../harness/described.ts'
import { Lab } from '../harness/lab.ts'
import { isGone } from '../harness/processes.ts'

/** In another session, without a parent, and with nothing of the script in its environment. */
const escape = (pidFile: string) => `env -i /usr/bin/setsid /bin/bash -c '
  cd /; (trap "" TERM HUP INT; echo $BASHPID > ${pidFile}.part
    mv ${pidFile}.part ${pidFile}; exec sleep 300 </dev/null >/dev/null 2>&1) &' &
  while [ ! -e ${pidFile} ]; do sleep 0.05; done`

for (const cgroups of ['auto', 'none'] as const) {
  test(`daemonised with another environment, with cgroups: ${cgroups}`, async (t) => {
    const missing = lacksCgroups('end')
    if (cgroups === 'auto' && missing !== false) return t.skip(missing)
    await using lab = await Lab.create()
    // A sandbox has its own end.
    const args = ['--isolation', 'none', '--cgroups', cgroups]
    const { api } = await lab.pair({}, { args })
    const pidFile = join(lab.directory, 'pid')
    const job = await api.run(escape(pidFile))
    assert.equal(job.status, 'Completed', job.message)
    const pid = Number(await readFile(pidFile, 'utf8'))
    const { endedBy } = await described(api, job.id)
    if (cgroups === 'auto') {
      assert.match(endedBy, /^cgroup v\d$/)
      assert.ok(await isGone(pid), 'it lives')
    } else {
      assert.equal(endedBy, 'session')
      assert.equal(
        await isGone(pid),
        false,
        'it was found without a cgroup: docs/limits.md is wrong',
      )
      process.kill(pid, 'SIGKILL')
    }
    return undefined
  })
}
