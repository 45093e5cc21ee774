/** A program that is open to all is to be reached from elsewhere: by mistake, or by habit. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Authority, noCertificates } from '../harness/certificates.ts'
import { Lab, until } from '../harness/lab.ts'
import { refusal } from '../harness/refusal.ts'
import { makeToken, revokeToken, tokenCommand } from '../harness/tokens.ts'

const place = ['--port', '0', '--data-path', 'server', '--db-path', 'server.sqlite']
const server = (...args: string[]) => ['server', ...place, ...args]
const client = (...args: string[]) => ['client', '--port', '0', '--data-path', 'client', ...args]

const noServer = /server: cannot listen on \S+:0: who reaches it .*: job-orchestrator token create/
const noClient = /client: cannot listen on \S+:0: who reaches it .* say --insecure$/

test('without credentials nobody listens where others can reach it', async () => {
  await using lab = await Lab.create()
  for (const host of ['0.0.0.0', '::', '192.0.2.1']) {
    assert.match(await refusal(lab.program(server('--host', host))), noServer, host)
    assert.match(await refusal(lab.program(client(`--host=${host}`))), noClient, host)
  }
  for (const env of [{ HOST: '0.0.0.0' }, { HOST: '0.0.0.0', INSECURE: 'false' }]) {
    assert.match(await refusal(lab.program(server(), env)), noServer)
    assert.match(await refusal(lab.program(client(), env)), noClient)
  }
  for (const host of ['127.9.9.9', 'localhost']) {
    const program = lab.program(server('--host', host))
    await program.address()
    assert.equal(await program.stop(), 0)
    assert.doesNotMatch(program.said, /who reaches it/)
  }
})

test('tokens that are revoked or expired are no credentials', async () => {
  await using lab = await Lab.create()
  await makeToken(lab, 'portal')
  await revokeToken(lab, 'portal')
  await makeToken(lab, 'short', 'read', '--expires', '1ms')
  await until('it has expired', async () => (await tokenCommand(lab, 'list')).endsWith(' expired'))
  assert.match(await refusal(lab.program(server('--host', '0.0.0.0'))), noServer)
})

test('with a token a server listens anywhere, closed', async () => {
  await using lab = await Lab.create()
  const token = await makeToken(lab, 'portal')
  const program = lab.program(server('--host', '0.0.0.0'))
  const address = (await program.address()).replace('0.0.0.0', '127.0.0.1')
  assert.doesNotMatch(program.said, /who reaches it/)
  assert.equal((await fetch(`${address}/jobs/1`)).status, 401)
  const headers = { authorization: `Bearer ${token}` }
  assert.equal((await fetch(`${address}/jobs/1`, { headers })).status, 404)
})

test('with a cluster secret a client listens anywhere, closed', async () => {
  await using lab = await Lab.create()
  const secret = 's'.repeat(32)
  const CLUSTER_SECRET_FILE = join(lab.directory, 'secret')
  await writeFile(CLUSTER_SECRET_FILE, secret, { mode: 0o600 })
  for (const env of [{ CLUSTER_SECRET_FILE }, { CLUSTER_SECRET: secret }]) {
    const program = lab.program(client('--host', '0.0.0.0'), env)
    const address = (await program.address()).replace('0.0.0.0', '127.0.0.1')
    assert.doesNotMatch(program.said, /who reaches it/)
    assert.equal((await fetch(`${address}/load`)).status, 401)
    assert.equal((await fetch(`${address}/health`)).status, 200)
    assert.equal(await program.stop(), 0)
  }
  // It is a secret between the two: applications do not know it.
  const env = { CLUSTER_SECRET: secret }
  assert.match(await refusal(lab.program(server('--host', '0.0.0.0'), env)), noServer)
})

test(
  'a certificate is no credential, to want one of who comes is',
  { skip: noCertificates },
  async () => {
    await using lab = await Lab.create()
    const authority = await Authority.create(join(lab.directory, 'authority'))
    const own = await authority.issue('node')
    const mutual = { ...own, TLS_CA: authority.file }
    assert.match(await refusal(lab.program(client('--host', '0.0.0.0'), own)), noClient)
    assert.match(await refusal(lab.program(server('--host', '0.0.0.0'), mutual)), noServer)
    const program = lab.program(client('--host', '0.0.0.0'), mutual)
    const address = (await program.address()).replace('0.0.0.0', '127.0.0.1')
    assert.doesNotMatch(program.said, /who reaches it/)
    await assert.rejects(fetch(`${address}/health`))
    await program.line(({ msg }) => msg.includes('a TLS connection from'))
  },
)

test('--insecure says that it is meant, and opens nothing that is closed', async () => {
  await using lab = await Lab.create()
  for (const [args, env] of [
    [server('--host', '0.0.0.0', '--insecure'), {}],
    [client('--host', '0.0.0.0'), { INSECURE: '1' }],
  ] as const) {
    const program = lab.program(args, env)
    const address = (await program.address()).replace('0.0.0.0', '127.0.0.1')
    await program.line(({ msg }) => msg.includes('who reaches it can run scripts as this user'))
    assert.equal((await fetch(`${address}/health`)).status, 200)
    assert.equal(await program.stop(), 0)
  }
  await makeToken(lab, 'portal')
  await revokeToken(lab, 'portal')
  const program = lab.program(server('--host', '0.0.0.0', '--insecure'))
  const address = (await program.address()).replace('0.0.0.0', '127.0.0.1')
  assert.equal((await fetch(`${address}/jobs/1`)).status, 401)
})
