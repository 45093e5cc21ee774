/** A client whose disk is full: it says so, lives on, and goes on when there is room again. */
import assert from 'node:assert/strict'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Bounds } from '../src/executors/bounds/bounds.ts'
import { bashExecutor } from '../src/executors/bash.ts'
import { noIsolation } from '../src/executors/isolation/isolation.ts'
import { PayloadFiles } from '../src/files/payload-files.ts'
import { createLog } from '../src/log.ts'
import type { PayloadReply } from '../src/domain/protocol.ts'
import { form } from './harness/api.ts'
import { Hold } from './harness/held.ts'
import { Lab, until } from './harness/lab.ts'
import type { ClientUnderTest } from './harness/lab.ts'
import { SmallDisk } from './harness/small-disk.ts'

const mebibyte = 1024 ** 2
const full = 'there is no space left on the disk'

const keyOf = (token: number) => `0123456789abcdef-${String(token).padStart(32, '0')}`

async function submit({ address }: ClientUnderTest, token: number, script = 'true') {
  const options = { key: keyOf(token), jobId: 1, userId: '1', service: 'example', attempt: 1 }
  const body = form(script, { 'job-orchestrator': JSON.stringify(options) })
  const response = await fetch(`${address}/submit`, { method: 'POST', body })
  return { status: response.status, body: (await response.json()) as PayloadReply }
}

/** Names in the client's directory of payloads that are, or were, payloads. */
async function payloadsOf(lab: Lab): Promise<string[]> {
  const root = join(lab.directory, 'client', 'payloads')
  const parents = [root, join(root, 'incoming'), join(root, 'trash')]
  const names = await Promise.all(parents.map((parent) => readdir(parent)))
  return names.flat().filter((name) => /^\d|^[0-9a-f]{16}$/.test(name))
}

const mount = (lab: Lab, size = '12m') =>
  SmallDisk.mount(join(lab.directory, 'client'), `size=${size}`)

// Most of them wait for the client to try again.
describe('a client with a full disk', { concurrency: 3 }, () => {
  test('a script that fills the disk fails and says so, and the client goes on', async (t) => {
    await using lab = await Lab.create()
    const mounted = await mount(lab)
    if (typeof mounted === 'string') return t.skip(mounted)
    await using disk = mounted
    const { api, program, client } = await lab.pair()
    const id = await api.upload('cat /dev/zero > big')
    // It is tried again for a while: another job might end and make room.
    await program.line(({ job, to }) => job === id && to === 'Failed')
    const { message } = await api.job(id)
    assert.match(message, /^run\.sh ended with exit code 1; /)
    assert.match(message, /the disk of its client, in \/.*\/payloads\/\d+, is full; /)
    assert.match(message, /the result could not be packed: there is no space left on the disk \(/)
    const files = await api.files(id, 'download_partial')
    assert.ok(files.has('.orchestrator/job.json') && !files.has('big'))
    assert.ok((await disk.freeBytes()) > mebibyte, 'what filled it is gone')
    assert.equal((await api.run('true')).status, 'Completed')
    assert.equal(await client.program.stop(), 0)
    return undefined
  })

  test('a job waits while its client has no room for it, and while for its result', async (t) => {
    await using lab = await Lab.create()
    const mounted = await mount(lab)
    if (typeof mounted === 'string') return t.skip(mounted)
    await using disk = mounted
    const { api, program, client } = await lab.pair()
    const hold = new Hold(lab)
    await disk.fill(mebibyte)
    const files = { 'run.sh': hold.wait, big: 'x'.repeat(2 * mebibyte) }
    const id = await api.upload(files)
    await program.line(({ job, to, reason }) => {
      return job === id && to === 'Queued' && String(reason).includes(full)
    })
    assert.match((await api.job(id)).message, /507.*there is no space left on the disk/)
    // It is sent again and again.
    await until('nothing is left of it', async () => (await payloadsOf(lab)).length === 0)
    await disk.free()
    await api.reached(id, 'Running')

    await disk.fill()
    await hold.release()
    await client.program.line(({ msg }) => /could not be packed/.test(msg))
    assert.equal((await api.job(id)).status, 'Running')
    await disk.free()
    const job = await api.ended(id)
    assert.equal(job.status, 'Completed', job.message)
    assert.equal((await api.files(id)).get('big')?.content.byteLength, 2 * mebibyte)
    return undefined
  })

  test('a script that fills the disk and goes on can be ended', async (t) => {
    await using lab = await Lab.create()
    const mounted = await mount(lab)
    if (typeof mounted === 'string') return t.skip(mounted)
    await using disk = mounted
    const { api, client } = await lab.pair()
    const id = await api.upload('cat /dev/zero > big; echo $$ > "$HOME/pid"; sleep 600')
    await api.reached(id, 'Running')
    await until('it is full', async () => {
      return (await disk.freeBytes()) === 0
    })
    await api.terminate(id)
    const job = await api.ended(id)
    assert.equal(job.status, 'Killed', job.message)
    assert.match(job.message, /^job terminated; the result could not be packed: /)
    assert.equal((await api.run('true')).status, 'Completed')
    assert.equal(client.program.child.exitCode, null)
    return undefined
  })

  test('a script that fills the disk is ended by its time limit', async (t) => {
    await using lab = await Lab.create()
    const mounted = await mount(lab)
    if (typeof mounted === 'string') return t.skip(mounted)
    await using disk = mounted
    const { api, client } = await lab.pair({ env: { SERVICE_EXAMPLE_MAX_RUNTIME: '3s' } })
    const script = "trap 'rm big; exit 1' TERM; cat /dev/zero > big; sleep 600 & wait"
    const id = await api.upload(script)
    await until('it is full', async () => (await disk.freeBytes()) === 0)
    const job = await api.ended(id)
    assert.equal(job.status, 'Failed')
    assert.match(job.message, /^run\.sh was ended by its time limit: /)
    await client.program.line(({ msg }) => msg.includes('could not be noted'))
    return undefined
  })

  test('what a client has is answered and forgotten on a full disk, and that frees it', async (t) => {
    await using lab = await Lab.create()
    const mounted = await mount(lab)
    if (typeof mounted === 'string') return t.skip(mounted)
    await using disk = mounted
    const client = await lab.client()
    const { body } = await submit(client, 1, 'head -c 2000000 /dev/urandom > big')
    await client.program.line(
      ({ payload, status }) => payload === body.id && status === 'Completed',
    )
    await disk.fill()
    const again = await submit(client, 1)
    assert.deepEqual([again.status, again.body.id], [200, body.id])
    const other = await submit(client, 2)
    assert.deepEqual([other.status, other.body.message], [507, full])

    const forget = await fetch(`${client.address}/payloads/${keyOf(1)}`, { method: 'DELETE' })
    assert.equal(forget.status, 204)
    assert.equal((await submit(client, 1)).status, 410)
    await until('its files are gone', async () => (await payloadsOf(lab)).length === 0)
    assert.equal((await submit(client, 2)).status, 200)
    return undefined
  })

  test('below MIN_FREE_SPACE a client is sent nothing, and at once again above', async (t) => {
    await using lab = await Lab.create()
    const mounted = await mount(lab, '16m')
    if (typeof mounted === 'string') return t.skip(mounted)
    await using disk = mounted
    const { api, program, client } = await lab.pair({}, { env: { MIN_FREE_SPACE: '8MiB' } })
    const hold = new Hold(lab)
    const running = await api.upload(hold.wait)
    await api.reached(running, 'Running')
    const sight = async () => (await api.health()).services[0]?.clients[0]
    assert.equal((await sight())?.lowSpace, false)

    await disk.fill(4 * mebibyte)
    const { status, body } = await submit(client, 1)
    assert.equal(status, 507)
    assert.match(
      body.message,
      /^the disk of DATA_PATH has .* left, less than MIN_FREE_SPACE \(8 MiB\)$/,
    )
    await program.line(({ msg }) => msg.endsWith('has too little disk space left'))
    assert.deepEqual([(await sight())?.lowSpace, (await sight())?.reachable], [true, true])
    const health = (await (await fetch(`${client.address}/health`)).json()) as { lowSpace: boolean }
    assert.equal(health.lowSpace, true)
    const waiting = await api.upload('true')
    const job = await api.job(waiting)
    assert.equal(job.status, 'Queued')
    assert.equal(
      job.message,
      'all clients of service "example" that can be reached have too little disk space left',
    )
    // What it has goes on to its end.
    await hold.release()
    assert.equal((await api.ended(running)).status, 'Completed')

    await disk.free()
    const { attempts } = await api.ended(waiting)
    assert.equal(attempts.length, 1, 'it was not tried in vain')
    assert.equal((await sight())?.lowSpace, false)
    const said = (text: RegExp) => client.program.lines.filter(({ msg }) => text.test(msg)).length
    assert.deepEqual(
      [said(/MIN_FREE_SPACE/), said(/room on the disk/)],
      [1, 1],
      client.program.said,
    )
    return undefined
  })

  test('without room for its records a script is not started', async (t) => {
    await using lab = await Lab.create()
    const mounted = await mount(lab, '1m')
    if (typeof mounted === 'string') return t.skip(mounted)
    await using disk = mounted
    const files = new PayloadFiles(disk.directory)
    const paths = files.paths(1)
    for (const directory of [paths.work, paths.home, paths.tmp]) {
      await mkdir(directory, { recursive: true })
    }
    await writeFile(join(paths.work, 'run.sh'), `touch '${lab.directory}/ran'`)
    const bounds = new Bounds(disk.directory, false)
    await using executor = bashExecutor(1_000, noIsolation, bounds, createLog('silent'))
    const task = { id: 1, service: null, own: {}, limits: {} }
    const start = async () => {
      const execution = await executor.start({ ...task, paths, common: { PATH: '/usr/bin:/bin' } })
      return execution.ended
    }
    await disk.fill()
    const notStarted = { exitCode: null, killReason: null, cpuSeconds: null }
    assert.deepEqual(await start(), notStarted, 'no room for the start record')
    // Room for one record, which is one page.
    await rm(paths.start)
    await disk.fill(4096)
    assert.deepEqual(await start(), notStarted, 'no room for the exit record')
    assert.deepEqual((await readdir(lab.directory)).includes('ran'), false)
    return undefined
  })
})
