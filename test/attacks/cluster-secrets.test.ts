/** The cluster secret: nobody finds it, peers without it are told why, and it changes without a stop. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Hold } from '../harness/held.ts'
import { Lab, until } from '../harness/lab.ts'
import type { ServerUnderTest } from '../harness/lab.ts'
import { RServer } from '../harness/r-server.ts'
import { SigningServer } from '../harness/signed.ts'
import { StandIn } from '../harness/stand-in.ts'

const newSecret = () => randomBytes(32).toString('hex')

/** A secret in a file of the lab, in the place of the one that is there. */
async function write(lab: Lab, name: string, ...secrets: string[]): Promise<string> {
  const file = join(lab.directory, name)
  await writeFile(`${file}.new`, `${secrets.join('\n')}\n`, { mode: 0o600 })
  await rename(`${file}.new`, file)
  return file
}

async function clientOf({ api }: ServerUnderTest) {
  const client = (await api.health()).services[0]?.clients[0]
  assert.ok(client)
  return client
}

test('attack: a script looks for the secret in its environment and that of its parents', async () => {
  await using lab = await Lab.create()
  const secret = newSecret()
  const CLUSTER_SECRET_FILE = await write(lab, 'secret', secret)
  const env = { CLUSTER_SECRET_FILE, PASS_ENV: 'SEEN', SEEN: 'seen' }
  const { api, program, client } = await lab.pair({ env: { CLUSTER_SECRET: secret } }, { env })
  const spawner = (
    await readFile(`/proc/${client.program.pid}/task/${client.program.pid}/children`)
  )
    .toString()
    .trim()
  const job = await api.run(
    `env; cat /proc/$PPID/environ /proc/${spawner}/environ /proc/self/environ`,
  )
  assert.equal(job.status, 'Completed', job.message)
  const said = (await api.files(job.id)).get('.orchestrator/stdout.log')?.content.toString() ?? ''
  assert.match(said, /SEEN=seen/)
  // Which is in the environment of the spawner, and not in that of scripts.
  assert.match(said, /MIN_FREE_SPACE=0/)
  assert.ok(!said.includes('CLUSTER_SECRET') && !said.includes(secret), said)
  const all = program.said + client.program.said + JSON.stringify(await api.job(job.id))
  assert.ok(!all.includes(secret))
})

test('attack: the secret is in no line of any log, whatever goes wrong', async () => {
  await using lab = await Lab.create()
  const [secret, other] = [newSecret(), newSecret()]
  const CLUSTER_SECRET_FILE = await write(lab, 'secret', secret)
  const env = { CLUSTER_SECRET_FILE, LOG_LEVEL: 'trace' }
  const client = await lab.client({ env })
  const settings = { services: { example: [client.address] } }
  const up = await lab.server({ ...settings, env: { CLUSTER_SECRET: other, LOG_LEVEL: 'trace' } })
  const id = await up.api.upload('true')
  await up.program.line(({ msg }) => msg.includes('is not reachable'))
  await up.api.terminate(id)
  await write(lab, 'secret', 'short')
  await client.program.line(({ msg }) => msg.includes('what was read before stays in use'))
  const third = lab.program(['client', '--port', '0'], {
    CLUSTER_SECRET: `${secret}\n${other}x\n1`,
  })
  assert.equal(await third.exit(), 2)
  const all = [client.program, up.program, third].map((program) => program.said).join('\n')
  for (const one of [secret, other]) assert.ok(!all.includes(one))
  assert.match(third.errors, /CLUSTER_SECRET: expected one secret, or two lines of one each, got 3/)
})

test('a server without the secret, or with another one, is told so, and says so once', async () => {
  await using lab = await Lab.create()
  const client = await lab.client({ env: { CLUSTER_SECRET: newSecret() } })
  const services = { example: [client.address] }
  const cases = [
    ['none', {}, /answered 401: it is not signed: this client has a cluster secret/],
    ['other', { CLUSTER_SECRET: newSecret() }, /answered 401: its signature is wrong: the cluster/],
  ] as const
  for (const [name, env, why] of cases) {
    const up = await lab.server({ name, services, env })
    const id = await up.api.upload('true')
    await until('it was tried', async () => (await clientOf(up)).trouble !== null)
    const seen = await clientOf(up)
    assert.equal(seen.reachable, false)
    assert.match(seen.trouble ?? '', why)
    assert.equal((await up.api.job(id)).status, 'Queued')
    const told = up.program.lines.filter(({ msg }) => msg.includes('is not reachable: '))
    assert.equal(told.length, 1)
    assert.match(told[0]?.msg ?? '', why)
  }
})

test('a server with a secret uses a client without one, so that servers can be given it first', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair({ env: { CLUSTER_SECRET: newSecret() } })
  assert.equal((await api.run('true')).status, 'Completed')
})

test('with a secret, 2.2.3 is not used, and both sides say why', async () => {
  await using lab = await Lab.create()
  const env = { CLUSTER_SECRET: newSecret() }
  const client = await lab.client({ env })
  await assert.rejects(new RServer(client.address).submit({ 'run.sh': 'true' }), /Failed: 401/)
  await client.program.line(({ msg }) => /or of version 2\.2\.3, cannot use this/.test(msg))
  await using older = await StandIn.create(
    (_body, response) => {
      response.writeHead(404).end()
    },
    { hasEvents: false },
  )
  const up = await lab.server({ services: { example: [older.address] }, env })
  const id = await up.api.upload('true')
  await up.program.line(({ msg }) =>
    msg.includes('with a cluster secret, clients of 2.2.3 are not'),
  )
  const { reachable, trouble } = await clientOf(up)
  assert.equal(reachable, false)
  assert.match(trouble ?? '', /clients of 2\.2\.3 are not used/)
  assert.equal((await up.api.job(id)).status, 'Queued')
  assert.ok(older.requests.every((request) => request.startsWith('GET /events')))
})

/** The line that says so for the nth time. */
const changed = (times: number) => (line: { msg: string }) =>
  line.msg.endsWith('changed, and in use from now on') && times-- === 1

test('secrets are changed while jobs run, without a restart of anything', async () => {
  await using lab = await Lab.create()
  const [before, after] = [newSecret(), newSecret()]
  const hold = new Hold(lab)
  const ofServer = await write(lab, 'server-secret', before)
  const ofClient = await write(lab, 'client-secret', before)
  const { api, program, client } = await lab.pair(
    { env: { CLUSTER_SECRET_FILE: ofServer } },
    { env: { CLUSTER_SECRET_FILE: ofClient } },
  )
  const running = await api.upload(hold.wait)
  await api.reached(running, 'Running')
  await write(lab, 'client-secret', before, after)
  await client.program.line(changed(1))
  assert.equal((await api.run('true')).status, 'Completed')
  await write(lab, 'server-secret', after, before)
  await program.line(changed(1))
  assert.equal((await api.run('true')).status, 'Completed')
  await write(lab, 'client-secret', after)
  await client.program.line(changed(2))
  assert.equal((await api.run('true')).status, 'Completed')
  const stranger = await new SigningServer(client.address, before).meet()
  assert.equal((await stranger.send(stranger.request('GET', '/load'))).status, 401)
  await hold.release()
  assert.equal((await api.ended(running)).status, 'Completed')
  const lost = program.lines.filter(({ msg }) => msg.includes('is not reachable'))
  assert.deepEqual(lost, [])
})
