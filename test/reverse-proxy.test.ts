/** nginx before both modes, as docs/nginx/ has it: nothing is held back, cut, or told otherwise. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { test } from 'node:test'
import type { JobReply } from '../src/domain/protocol.ts'
import { form } from './harness/api.ts'
import { Authority, noCertificates } from './harness/certificates.ts'
import { doorTo } from './harness/door.ts'
import { Lab, until } from './harness/lab.ts'
import { jobsOnDisk } from './harness/left.ts'
import { noNginx, startNginx } from './harness/nginx.ts'
import { freePort } from './harness/port.ts'
import { field, file, formType, multipart } from './harness/raw.ts'
import { makeToken } from './harness/tokens.ts'

test(
  'a reverse proxy before the server and before its client',
  { skip: noNginx || noCertificates },
  async () => {
    await using lab = await Lab.create()
    const authority = await Authority.create(join(lab.directory, 'authority'))
    const certificate = await authority.issue('proxy')
    const ca = await readFile(authority.file, 'utf8')
    const CLUSTER_SECRET = 'not-so-secret-but-long-enough-for-this-test'
    const client = await lab.client({ env: { CLUSTER_SECRET } })
    const [front, back] = [await freePort(), await freePort()]
    const { api, program } = await lab.server({
      services: { example: [`https://127.0.0.1:${back}`] },
      args: ['--max-upload-size', '1MiB'],
      env: { CLUSTER_SECRET, TLS_CA: authority.file },
    })
    const token = await makeToken(lab, 'test')
    await using started = new AsyncDisposableStack()
    const nginx = await startNginx(join(lab.directory, 'nginx'), certificate, [
      { file: 'job-orchestrator-server.conf', port: front, address: api.address },
      { file: 'job-orchestrator-client.conf', port: back, address: client.address },
    ])
    started.use(nginx)
    await program.line(({ msg }) => msg.endsWith('is reachable'))
    const address = `https://127.0.0.1:${front}`
    const door = doorTo(address, { token, ca })
    const upload = async (files: Record<string, string>) => {
      const body = form(files, { user_id: '1', service: 'example' })
      const response = await door.fetch('/upload', { method: 'POST', body })
      return { status: response.status, body: (await response.json()) as JobReply }
    }

    const taken = await upload({ 'run.sh': 'head -c 300000 /dev/urandom > out' })
    assert.equal(taken.status, 201, taken.body.message)
    const result = await door.fetch(`/download/${taken.body.id}?wait=60s`)
    assert.equal(result.headers.get('content-type'), 'application/zip')
    assert.ok((await result.arrayBuffer()).byteLength > 300_000)

    const large = await upload({ 'run.sh': 'true', large: 'x'.repeat(2 * 1024 * 1024) })
    assert.equal(large.status, 413)
    assert.match(large.body.message, /larger than MAX_UPLOAD_SIZE/)
    const stranger = await doorTo(address, { ca }).fetch('/jobs/1')
    assert.equal(stranger.status, 401)
    assert.match(stranger.headers.get('www-authenticate') ?? '', /^Bearer/)

    // The server has the first half of a body while the other one has not been sent.
    const parts = [field('user_id', '1'), field('service', 'example'), file('run.sh', 'true')]
    const whole = multipart([...parts, file('more', 'x'.repeat(10_000))])
    const headers = { 'content-type': formType, authorization: `Bearer ${token}` }
    const outgoing = request(`${address}/upload`, { method: 'POST', headers, ca, agent: false })
    const answered = once(outgoing, 'response')
    outgoing.write(whole.subarray(0, -100))
    await until('the server receives it', async () => (await jobsOnDisk(lab)).incoming.length === 1)
    outgoing.end(whole.subarray(-100))
    const [answer] = (await answered) as [IncomingMessage]
    assert.equal(answer.statusCode, 201, JSON.stringify(await json(answer)))
  },
)
