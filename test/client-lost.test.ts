/** Clients that are silent for CLIENT_LOST_AFTER: their jobs move to others that are free, and wait otherwise. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { clientAt } from './harness/client-at.ts'
import { Hold } from './harness/held.ts'
import { Lab, until } from './harness/lab.ts'
import type { ServerUnderTest } from './harness/lab.ts'
import { freePort } from './harness/port.ts'
import { StandIn, taking } from './harness/stand-in.ts'

const lostSoon = ['--client-lost-after', '500ms']

/** Resolves when so many tries to reach a client have failed after it was known to be away. */
async function triedInVain({ api }: ServerUnderTest, id: number): Promise<void> {
  await until('its client is known to be away', async () =>
    /cannot be reached \(silent for [1-9]/.test((await api.job(id)).message),
  )
}

/** A client that can be taken away and brought back, with a job on it that waits for `hold`. */
async function withJobAtOne(lab: Lab, args: readonly string[] = lostSoon) {
  const port = await freePort()
  const first = await clientAt(lab, port, { name: 'first', args: ['--slots', '1'] })
  const other = await clientAt(lab, await freePort(), { name: 'other', args: ['--slots', '1'] })
  await fetch(`${other.address}/drain`, { method: 'POST' })
  const server = await lab.server({
    services: { example: [first.address, other.address] },
    args,
  })
  const hold = new Hold(lab)
  const ledger = join(lab.directory, 'ledger')
  const script = `echo "start $ATTEMPT" >> '${ledger}'; ${hold.wait}; echo "$ATTEMPT" > out
    echo "end $ATTEMPT" >> '${ledger}'`
  const id = await server.api.upload(script)
  await server.api.reached(id, 'Running')
  // It is called so when its shell is started, which goes on without the client.
  await until('its script has begun', () => existsSync(ledger))
  return {
    ...server,
    id,
    first,
    other,
    hold,
    ledger: () => readFile(ledger, 'utf8'),
    open: () => fetch(`${other.address}/drain`, { method: 'DELETE' }),
    comeBack: () => clientAt(lab, port, { name: 'first', args: ['--slots', '1'] }),
  }
}

void suite('clients that are lost', { concurrency: 4 }, () => {
  test('a job of a lost client moves to one that is free, and its late attempt changes nothing', async () => {
    await using lab = await Lab.create()
    const world = await withJobAtOne(lab)
    const { api, program, id, first, other, hold } = world
    await first.program.stop('SIGKILL')
    await triedInVain(world, id)
    assert.equal((await api.job(id)).status, 'Running', 'nobody is free yet')
    await world.open()
    await program.line(({ job, to, attempt }) => job === id && to === 'Running' && attempt === 2)
    const moved = await api.job(id)
    assert.deepEqual(
      moved.attempts.map(({ client }) => client),
      [`${first.address}/submit`, `${other.address}/submit`],
    )
    assert.match(moved.attempts[0]?.outcome ?? '', /^its client was silent for \d/)
    assert.deepEqual(
      moved.history.slice(-4).map(({ to }) => to),
      ['Queued', 'Processing', 'Submitted', 'Running'],
    )
    // It goes on with what it had, is told that nobody wants it, and ends it.
    const back = await world.comeBack()
    await back.program.line(({ msg }) => /cancelled by its server, removed/.test(msg))
    await hold.release()
    const job = await api.ended(id)
    assert.deepEqual([job.status, job.attempts.length], ['Completed', 2])
    assert.equal((await api.files(id)).get('out')?.content.toString(), '2\n')
    assert.equal(await world.ledger(), 'start 1\nstart 2\nend 2\n')
  })

  test('with nobody else a job waits for its client, however long, and goes on there', async () => {
    await using lab = await Lab.create()
    const world = await withJobAtOne(lab)
    const { api, id, first, hold } = world
    await first.program.stop('SIGKILL')
    await triedInVain(world, id)
    await world.comeBack()
    await hold.release()
    const job = await api.ended(id)
    assert.deepEqual([job.status, job.attempts.length], ['Completed', 1])
    assert.equal(await world.ledger(), 'start 1\nend 1\n')
  })

  for (const [what, args] of [
    ['that has been lost too often', [...lostSoon, '--max-attempts', '1']],
    ['whose client is away for less than CLIENT_LOST_AFTER', ['--client-lost-after', '1h']],
  ] as const) {
    test(`a job ${what} waits for it, though another is free`, async () => {
      await using lab = await Lab.create()
      const world = await withJobAtOne(lab, args)
      const { api, id, first, hold } = world
      await first.program.stop('SIGKILL')
      await world.open()
      await triedInVain(world, id)
      assert.equal((await api.run('true')).status, 'Completed', 'somebody is free')
      assert.equal((await api.job(id)).status, 'Running')
      await world.comeBack()
      await hold.release()
      const job = await api.ended(id)
      assert.deepEqual([job.status, job.attempts.length], ['Completed', 1])
    })
  }

  test('when the server was cut off from all, the first client that is back takes nothing', async () => {
    await using lab = await Lab.create()
    // Longer than both need to start.
    const world = await withJobAtOne(lab, ['--client-lost-after', '8s'])
    const { api, id, first, other, hold } = world
    await Promise.all([first.program.stop('SIGKILL'), other.program.stop('SIGKILL')])
    await until('both were silent for longer', async () =>
      /silent for (9|\d\d)/.test((await api.job(id)).message),
    )
    await clientAt(lab, Number(new URL(other.address).port), { name: 'other' })
    assert.equal((await api.run('true')).status, 'Completed', 'somebody is free')
    await world.comeBack()
    await hold.release()
    const job = await api.ended(id)
    assert.deepEqual([job.status, job.attempts.length], ['Completed', 1])
  })

  test('a job that is to end is Killed when its client is lost, and its script when that is back', async () => {
    await using lab = await Lab.create()
    const world = await withJobAtOne(lab)
    const { api, id, first } = world
    await first.program.stop('SIGKILL')
    assert.equal((await api.terminate(id)).body.status, 'Killed')
    assert.match((await api.job(id)).attempts[0]?.outcome ?? '', /job terminated/)
    const back = await world.comeBack()
    await back.program.line(({ msg }) => /cancelled by its server, removed/.test(msg))
    assert.equal(await world.ledger(), 'start 1\n')
  })

  test('a job that was being sent when its client was lost moves, too', async () => {
    await using lab = await Lab.create()
    const silent = await StandIn.create(() => {})
    const other = await lab.client()
    await fetch(`${other.address}/drain`, { method: 'POST' })
    const { api } = await lab.server({
      services: { example: [silent.address, other.address] },
      args: lostSoon,
    })
    const id = await api.upload('echo "$ATTEMPT" > out')
    await api.reached(id, 'Processing')
    await until('it is asked', () => silent.requests.includes('POST /submit'))
    await silent[Symbol.asyncDispose]()
    await fetch(`${other.address}/drain`, { method: 'DELETE' })
    const job = await api.ended(id)
    assert.deepEqual([job.status, job.attempts.length], ['Completed', 2])
    assert.equal((await api.files(id)).get('out')?.content.toString(), '2\n')
  })

  test('a key is cancelled where its client is there and never says whether it has it', async () => {
    await using lab = await Lab.create()
    const other = await lab.client()
    await using odd = await StandIn.create((_body, response) => {
      if (odd.requests.at(-1)?.endsWith('/cancel')) response.end('{"known":false}')
      else response.end('{"hello":1}')
    })
    await fetch(`${other.address}/drain`, { method: 'POST' })
    const { api } = await lab.server({
      services: { example: [odd.address, other.address] },
      args: lostSoon,
    })
    const id = await api.upload('true')
    await until('it is cancelled', () => odd.requests.some((one) => one.endsWith('/cancel')))
    await fetch(`${other.address}/drain`, { method: 'DELETE' })
    await api.terminate(id) // so that the odd one cannot get it again and again
    const job = await api.job(id)
    assert.match(job.attempts[0]?.outcome ?? '', /it did not say whether it has it/)
  })

  test('what may have reached a client that then lost its memory is a new attempt', async () => {
    await using lab = await Lab.create()
    let sent = 0
    const port = await freePort()
    const submit = taking(() => sent++)
    const hanging = await StandIn.create((_body, response) => response.end('{"hello":1}'), { port })
    const { api } = await lab.server({ services: { example: [hanging.address] } })
    const id = await api.upload('true')
    await until('it may have arrived', () => hanging.requests.includes('POST /submit'))
    await hanging[Symbol.asyncDispose]()
    await using again = await StandIn.create(submit, { port, instance: 'another' })
    await api.reached(id, 'Submitted')
    const { attempts } = await api.job(id)
    assert.deepEqual(
      attempts.map(({ outcome }) => outcome),
      ['its client may have it, but cannot tell', null],
    )
    assert.equal(sent, 1)
    assert.equal(again.requests.filter((one) => one === 'POST /submit').length, 1)
  })
})
