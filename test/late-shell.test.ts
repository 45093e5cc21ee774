/** A supervising shell that comes to work only when the client that started it is gone. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { clientAt } from './harness/client-at.ts'
import { Gate } from './harness/gate.ts'
import { Hold } from './harness/held.ts'
import { Lab, until } from './harness/lab.ts'
import { freePort } from './harness/port.ts'

/** A directory whose bash waits at the gate before it becomes a supervising shell. */
async function slowBash(lab: Lab, gate: Gate, name = 'slow') {
  const directory = join(lab.directory, name)
  const bash = join(directory, 'bash')
  const [waits, done] = [join(directory, 'waits'), join(directory, 'done')]
  await mkdir(directory)
  await writeFile(
    bash,
    `#!/bin/bash
    [ "$1" = -c ] || exec /bin/bash "$@"
    echo > '${waits}'; ${gate.wait}; /bin/bash "$@"; code=$?; echo > '${done}'; exit $code\n`,
  )
  await chmod(bash, 0o755)
  return { path: `${directory}:${process.env['PATH']}`, waits, done }
}

/** Opens a gate until a file is there: a shell that has come may not wait at the gate yet. */
function openUntil(gate: Gate, what: string, file: string): Promise<void> {
  return until(what, async () => {
    await gate.open()
    return existsSync(file)
  })
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
  await openUntil(gate, 'the shell has ended', done)
  assert.equal(existsSync(ledger), false, 'its script was started')
})

for (const first of ['earlier', 'later'] as const) {
  test(`of two supervising shells of a payload, the ${first} one starts its script, once`, async () => {
    await using lab = await Lab.create()
    await using gateOfEarlier = await Gate.create(lab.directory, 'gate-earlier')
    await using gateOfLater = await Gate.create(lab.directory, 'gate-later')
    const earlier = await slowBash(lab, gateOfEarlier, 'slow-earlier')
    const later = await slowBash(lab, gateOfLater, 'slow-later')
    const port = await freePort()
    const client = await clientAt(lab, port, { through: ['env', `PATH=${earlier.path}`] })
    const { api } = await lab.server({ services: { example: [client.address] } })
    const hold = new Hold(lab)
    const ledger = join(lab.directory, 'ledger')
    const id = await api.upload(`echo ran >> '${ledger}'; ${hold.wait}; echo whole > out`)
    await until('the first shell is there', () => existsSync(earlier.waits))
    await client.program.stop('SIGKILL')
    await clientAt(lab, port, { through: ['env', `PATH=${later.path}`] })
    await until('the second shell is there', () => existsSync(later.waits))

    const inOrder = [
      { gate: gateOfEarlier, done: earlier.done },
      { gate: gateOfLater, done: later.done },
    ]
    const [winner, loser] = first === 'earlier' ? inOrder : inOrder.toReversed()
    assert.ok(winner && loser)
    await openUntil(winner.gate, 'the script runs', ledger)
    await openUntil(loser.gate, 'the other shell has ended', loser.done)
    await hold.release()
    const job = await api.ended(id)
    assert.deepEqual([job.status, job.attempts.length], ['Completed', 1], job.message)
    assert.equal(await readFile(ledger, 'utf8'), 'ran\n')
    assert.ok((await api.files(id)).has('out'))
  })
}
