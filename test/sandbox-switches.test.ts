/** What the operator lets scripts see and use, and what becomes of it when something is in the way. */
import assert from 'node:assert/strict'
import { chmod, mkdir, rename, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import type { ClientHealth } from '../src/domain/protocol.ts'
import { Api } from './harness/api.ts'
import { until } from './harness/lab.ts'
import { Pair } from './harness/pair.ts'
import { sandboxLab, whyNoSandbox } from './harness/sandbox.ts'

const skip = (await whyNoSandbox()) ?? false
const isRoot = process.getuid?.() === 0

test('BIND_RO and BIND_DEV are seen at their places, and are not written', { skip }, async () => {
  await using lab = await sandboxLab()
  const software = join(lab.directory, 'software')
  await mkdir(software)
  await chmod(lab.directory, 0o711)
  await writeFile(join(software, 'data.txt'), 'from outside\n')
  const node = dirname(process.execPath)
  const args = ['--bind-ro', `${software},${node}`, '--bind-dev', '/dev/kmsg']
  const { api } = await lab.pair({}, { args })
  const job = await api.run(
    `cat '${software}/data.txt'; echo >'${software}/data.txt' || echo read-only
     [[ -c /dev/kmsg && ! -e /dev/mem ]] && echo device; ls -A '${lab.directory}'
     '${process.execPath}' -e '
       const { Worker } = require("node:worker_threads")
       new Worker("require(\\"node:worker_threads\\").parentPort.postMessage(6 * 7)", { eval: true })
         .on("message", (sum) => console.log(sum, require("node:child_process").execSync("echo child").toString()))'`,
  )
  const stdout = (await api.files(job.id)).get('.orchestrator/stdout.log')?.content.toString()
  assert.equal(stdout, 'from outside\nread-only\ndevice\nsoftware\n42 child\n\n', job.message)
})

test('a service of ALLOW_NETWORK reaches the network, and no other', { skip }, async (t) => {
  await using lab = await sandboxLab()
  const listener = createServer((socket) => socket.end('reached\n')).listen(0, '127.0.0.1')
  t.after(() => listener.close())
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  const client = await lab.client({ args: ['--allow-network', 'web'] })
  const { api } = await lab.server({ services: { web: [client.address], calm: [client.address] } })
  const script = `cat </dev/tcp/127.0.0.1/${port}`
  const web = await api.run(script, { service: 'web' })
  assert.equal(web.status, 'Completed', web.message)
  const calm = await api.run(script, { service: 'calm' })
  assert.match(calm.message, /Connection refused/)
  const files = await api.files(web.id)
  const { isolation } = JSON.parse(String(files.get('.orchestrator/job.json')?.content)) as {
    isolation: { network: boolean }
  }
  assert.equal(isolation.network, true)
})

test(
  'a sandbox that cannot be made is lost, and no payload is taken until it can',
  { skip },
  async () => {
    await using lab = await sandboxLab()
    const software = join(lab.directory, 'software')
    const away = join(lab.directory, 'away')
    await mkdir(software)
    const { api, client } = await lab.pair({}, { args: ['--bind-ro', software] })
    await rename(software, away)
    const id = await api.upload('exit 0')
    await client.program.line(({ msg }) =>
      /^scripts cannot be isolated: bwrap: .*: no new/.test(msg),
    )
    const lost =
      /^payload \d+ is lost: run\.sh could not be started: its sandbox .*; stderr: bwrap: /
    assert.ok(
      client.program.lines.some(({ msg }) => lost.test(msg)),
      client.program.said,
    )
    const response = await fetch(`${client.address}/health`)
    const { status, isolation } = (await response.json()) as ClientHealth
    assert.deepEqual([response.status, status, isolation.by], [503, 'unavailable', 'bwrap'])
    assert.match(isolation.trouble ?? '', /^scripts cannot be isolated: bwrap: /)
    const body = new FormData()
    body.append('file', new Blob(['exit 0']), 'run.sh')
    const refused = await fetch(`${client.address}/submit`, { method: 'POST', body })
    assert.equal(refused.status, 503)
    const sight = async () => (await api.health()).services[0]?.clients[0]
    await until('its server knows', async () => (await sight())?.noSandbox === true)
    assert.equal((await sight())?.isolation, 'bwrap')
    const { message } = await api.job(id)
    assert.match(message, /all clients of service "example" that can be reached cannot isolate/)
    await rename(away, software)
    const job = await api.ended(id)
    assert.equal(job.status, 'Completed', job.message)
    assert.equal((await fetch(`${client.address}/health`)).status, 200)
  },
)

test(
  'a script in a sandbox outlives its client, and the next one can end it',
  { skip },
  async () => {
    await using lab = await sandboxLab()
    const pair = await Pair.create(lab, {})
    await Promise.all([pair.start('client'), pair.start('server')])
    const api = new Api(pair.addresses.server, pair.program('server'))
    const id = await api.upload(`trap 'echo tidied >out.txt; exit 3' TERM; echo >begun; sleep 1000`)
    const hasBegun = async () => (await api.files(id, 'download_partial')).has('begun')
    await until('the script has begun', () => hasBegun().catch(() => false))
    await pair.kill('client')
    await pair.start('client')
    await api.terminate(id)
    assert.equal((await api.ended(id)).status, 'Killed')
    const files = await api.files(id, 'download_partial')
    assert.equal(files.get('out.txt')?.content.toString(), 'tidied\n')
    const { exitCode, isolation } = JSON.parse(
      String(files.get('.orchestrator/job.json')?.content),
    ) as { exitCode: number; isolation: { by: string } }
    assert.deepEqual([exitCode, isolation.by], [3, 'bwrap'])
  },
)

test(
  'a client that is an ordinary user keeps scripts apart, too',
  {
    skip: skip || (!isRoot && 'not root: the other tests do it'),
  },
  async (t) => {
    await using lab = await sandboxLab()
    await chmod(lab.directory, 0o777)
    const through = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--']
    const program = lab.program(
      ['client', '--port', '0', '--data-path', join(lab.directory, 'client'), '--kill-grace', '1s'],
      {},
      through,
    )
    const address = await Promise.race([program.address(), program.exit()])
    if (typeof address !== 'string' || !address.startsWith('http')) return t.skip(program.errors)
    const { api } = await lab.server({ services: { example: [address] } })
    const job = await api.run('id -un; cat /etc/shadow')
    const stdout = (await api.files(job.id, 'download_partial'))
      .get('.orchestrator/stdout.log')
      ?.content.toString()
    assert.equal(stdout, 'job\n')
    assert.equal((await stat(join(lab.directory, 'client', 'payloads'))).uid, 65534)
    const deaf = await api.upload(`trap '' TERM; echo >begun; while :; do setsid sleep 1000; done`)
    const hasBegun = async () => (await api.files(deaf, 'download_partial')).has('begun')
    await until('the script has begun', () => hasBegun().catch(() => false))
    await api.terminate(deaf)
    assert.equal((await api.ended(deaf)).status, 'Killed')
    return undefined
  },
)
