/** Stopping: what is under way finishes, scripts go on, and the next process takes up the work. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile, readdir } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { clientAt } from './harness/client-at.ts'
import { Hold } from './harness/held.ts'
import { Lab, until } from './harness/lab.ts'
import { freePort } from './harness/port.ts'
import type { Program } from './harness/program.ts'
import { SlowUpload } from './harness/slow-upload.ts'

const stopping = (program: Program) => program.line(({ msg }) => msg.includes(': stopping'))

/** Whether so many uploads are being received in a directory. */
async function isReceiving(directory: string, count = 1): Promise<boolean> {
  const names = await readdir(directory, { recursive: true })
  return names.filter((name) => name.endsWith('run.sh')).length === count
}

async function isRefused(address: string): Promise<boolean> {
  try {
    await (await fetch(address, { headers: { connection: 'close' } })).arrayBuffer()
    return false
  } catch (error) {
    const { code } = (error as Error).cause as { code?: string }
    return code === 'ECONNREFUSED'
  }
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} stops both modes at once when there is nothing to finish`, async () => {
    await using lab = await Lab.create()
    const { program, api, client } = await lab.pair()
    await api.run('true')
    const begun = performance.now()
    // The client first, while the server listens to its events.
    for (const each of [client.program, program]) {
      assert.equal(await each.stop(signal), 0)
      assert.equal(each.lines.at(-1)?.msg, 'stopped')
      assert.equal(each.errors, '')
    }
    assert.ok(performance.now() - begun < 9_000, 'nothing was waited for')
  })
}

test('a server that stops finishes the upload under way, and sends no job any more', async () => {
  await using lab = await Lab.create()
  const { program, api, client } = await lab.pair()
  const upload = new SlowUpload(`${api.address}/upload`, 'true')
  const slower = new SlowUpload(`${api.address}/upload`, 'true')
  const incoming = join(lab.directory, 'server/jobs/incoming')
  await until('the uploads have begun', () => isReceiving(incoming, 2))
  program.child.kill('SIGTERM')
  await stopping(program)
  await until('new connections are refused', () => isRefused(api.address))
  const { status, body } = await upload.finish()
  assert.deepEqual([status, body['status']], [201, 'Queued'])
  assert.equal((await slower.finish()).status, 201)
  assert.equal(await program.exit(), 0)
  assert.ok(!program.lines.some(({ to }) => to === 'Processing'), program.said)

  const next = await lab.server({ services: { example: [client.address] } })
  await next.api.reached(Number(body['id']), 'Completed')
})

test('what is asked while a server stops is refused as everything is', async () => {
  await using lab = await Lab.create()
  const { program, api } = await lab.pair()
  const { hostname, port } = new URL(api.address)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  // Begun, so that the connection is not idle, and not a request yet.
  socket.write('GET /health HTTP/1.1\r\nHost: server\r\n')
  await api.health() // by now that has been read
  program.child.kill('SIGTERM')
  await stopping(program)
  await until('new connections are refused', () => isRefused(api.address))
  socket.write('\r\n')
  const reply = await text(socket)
  assert.match(reply, /^HTTP\/1\.1 503 /)
  assert.match(reply, /^retry-after: 1\r$/im)
  assert.match(reply, /\{"id":0,"status":"Unknown","message":"this program is stopping"\}$/)
  assert.equal(await program.exit(), 0)
})

test('a client that stops finishes the submission under way, and starts nothing', async () => {
  await using lab = await Lab.create()
  const { program, address } = await lab.client()
  const upload = new SlowUpload(`${address}/submit`, 'true')
  const slower = new SlowUpload(`${address}/submit`, 'true')
  const payloads = join(lab.directory, 'client/payloads')
  await until('the submissions have begun', () => isReceiving(join(payloads, 'incoming'), 2))
  program.child.kill('SIGTERM')
  await stopping(program)
  await until('new connections are refused', () => isRefused(address))
  const { status, body } = await upload.finish()
  assert.deepEqual([status, body['status']], [200, 'Prepared'])
  assert.equal((await slower.finish()).status, 200)
  assert.equal(await program.exit(), 0)
  const id = String(body['id'])
  assert.ok(!(await readdir(join(payloads, id))).includes('start'), 'its script did not start')

  const next = await lab.client()
  await until('the payload has run', async () => {
    const response = await fetch(`${next.address}/retrieve/${id}`)
    await response.arrayBuffer()
    return response.headers.get('content-type') === 'application/zip'
  })
})

test('a second signal exits at once, whatever is under way', async () => {
  await using lab = await Lab.create()
  const client = await lab.client()
  const server = await lab.server({ services: { example: [client.address] } })
  for (const [{ program }, url, directory] of [
    [server, `${server.api.address}/upload`, 'server/jobs/incoming'],
    [client, `${client.address}/submit`, 'client/payloads/incoming'],
  ] as const) {
    const upload = new SlowUpload(url, 'true')
    await until('the upload has begun', () => isReceiving(join(lab.directory, directory)))
    program.child.kill('SIGTERM')
    await stopping(program)
    assert.equal(await program.stop('SIGINT'), 1)
    await upload.cut()
    assert.ok(!program.lines.some(({ msg }) => msg === 'stopped'))
  }
  // What was not finished leaves nothing behind.
  const again = await lab.server({ services: { example: [client.address] } })
  assert.ok(!(await isReceiving(join(lab.directory, 'server/jobs'))))
  assert.equal(await again.program.stop(), 0)
})

test('scripts go on while their client is away, and the next one takes them back', async () => {
  await using lab = await Lab.create()
  const port = await freePort()
  const first = await clientAt(lab, port)
  const { api } = await lab.server({ services: { example: [first.address] } })
  const away = new Hold(lab, 'away')
  const back = new Hold(lab, 'back')
  const noted = join(lab.directory, 'noted')
  const ended = await api.upload(`${away.wait}; echo ended >> ${noted}; echo 1 > result`)
  const running = await api.upload(`${away.wait}; ${back.wait}; echo 2 > result; exit 3`)
  await Promise.all([api.reached(ended, 'Running'), api.reached(running, 'Running')])
  assert.equal(await first.program.stop(), 0)
  await away.release()
  await until('the first script has ended', async () => {
    return (await readFile(noted, 'utf8').catch(() => '')) === 'ended\n'
  })

  const second = await clientAt(lab, port)
  await api.reached(ended, 'Completed')
  await back.release()
  await api.reached(running, 'Failed')
  for (const [id, result] of [
    [ended, '1\n'],
    [running, '2\n'],
  ] as const) {
    const { attempts, history, message } = await api.job(id)
    assert.equal(attempts.length, 1, message)
    const end = id === ended ? 'Completed' : 'Failed'
    const walk = ['Queued', 'Processing', 'Submitted', 'Running', end]
    assert.deepEqual(
      history.map(({ to }) => to),
      walk,
    )
    const files = await api.files(id, 'download_partial')
    assert.equal(files.get('result')?.content.toString(), result)
  }
  assert.equal(await second.program.stop(), 0)
})
