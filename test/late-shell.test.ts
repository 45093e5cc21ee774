/** A supervising shell that comes to work only when the client that started it is gone. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Gate } from './harness/gate.ts'
import { Lab, until } from './harness/lab.ts'

/** A directory whose bash waits at the gate before it becomes a supervising shell. */
async function slowBash(lab: Lab, gate: Gate) {
  const directory = join(lab.directory, 'slow')
  const bash = join(directory, 'bash')
  const [waits, done] = [join(lab.directory, 'waits'), join(lab.directory, 'done')]
  await mkdir(directory)
  await writeFile(
    bash,
    `#!/bin/bash
    [ "$1" = -c ] || exec /bin/bash "$@"
    echo > '${waits}'; ${gate.wait}; /bin/bash "$@"; echo > '${done}'\n`,
  )
  await chmod(bash, 0o755)
  return { path: `${directory}:${process.env['PATH']}`, waits, done }
}

test('a payload that was Killed is not started by a shell that comes late', async () => {
  await using lab = await Lab.create()
  await using gate = await Gate.create(lab.directory)
  const { path, waits, done } = await slowBash(lab, gate)
  const { api, program, client } = await lab.pair({}, { env: { PATH: path } })
  const ledger = join(lab.directory, 'ledger')
  const id = await api.upload(`echo ran >> '${ledger}'`)
  await until('the shell is there', () => existsSync(waits))
  await api.reached(id, 'Running')
  const [attempt] = (await api.job(id)).attempts
  const payload = join(lab.directory, 'client/payloads', String(attempt?.payload))
  const terminated = api.terminate(id).catch(() => {}) // the server is gone before it answers
  await until('it is marked', () => existsSync(join(payload, 'kill')))
  await client.program.stop('SIGKILL')
  // Nobody fetches the result, so the payload stays.
  await program.stop('SIGKILL')
  await terminated
  await lab.client()
  await until('it is Killed', () => existsSync(join(payload, 'outcome.json')))
  await gate.open()
  await until('the shell has ended', () => existsSync(done))
  assert.equal(existsSync(ledger), false, 'its script was started')
})
