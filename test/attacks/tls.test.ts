/** TLS between a server and its clients, and to the server: who cannot prove who it is stays outside. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { connect as connectSecurely } from 'node:tls'
import { Agent, getGlobalDispatcher, setGlobalDispatcher } from 'undici'
import { Authority, noCertificates, selfSigned } from '../harness/certificates.ts'
import { Hold } from '../harness/held.ts'
import { Lab, until } from '../harness/lab.ts'
import type { ServerUnderTest } from '../harness/lab.ts'

/** Its authority, and the environments of a server and a client that it has signed. */
type Site = {
  readonly lab: Lab
  readonly authority: Authority
  readonly server: Record<string, string>
  readonly client: Record<string, string>
}

async function troubleOf({ api }: ServerUnderTest): Promise<string> {
  let trouble: string | null = null
  await until('the client was tried in vain', async () => {
    const client = (await api.health()).services[0]?.clients[0]
    assert.equal(client?.reachable, false)
    trouble = client.trouble
    return trouble !== null
  })
  return trouble ?? ''
}

/** What is answered to a request in plain HTTP. */
async function plainAnswer(address: string): Promise<string> {
  const { port } = new URL(address)
  const socket = connect(Number(port), '127.0.0.1')
  socket.on('error', () => {})
  socket.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n')
  return text(socket)
}

describe('TLS', { skip: noCertificates }, () => {
  let site: Site
  const usual = getGlobalDispatcher()

  before(async () => {
    const lab = await Lab.create()
    const authority = await Authority.create(join(lab.directory, 'ca'))
    const TLS_CA = authority.file
    const secret = { CLUSTER_SECRET: randomBytes(32).toString('hex') }
    const server = { ...(await authority.issue('server')), TLS_CA, ...secret }
    const client = { ...(await authority.issue('client')), TLS_CA, ...secret }
    site = { lab, authority, server, client }
    // Applications know the authority; the server wants no certificate of theirs.
    setGlobalDispatcher(new Agent({ connect: { ca: await readFile(TLS_CA, 'utf8') } }))
  })
  after(async () => {
    await getGlobalDispatcher().close()
    setGlobalDispatcher(usual)
    await site.lab[Symbol.asyncDispose]()
  })

  test('jobs go their way with TLS on both sides, and the secret', async () => {
    const { lab, server, client } = site
    const names = [{ name: 'server-1' }, { name: 'client-1' }] as const
    const {
      api,
      program,
      client: node,
    } = await lab.pair({ ...names[0], env: server }, { ...names[1], env: client })
    assert.match(api.address, /^https:/)
    assert.match(node.address, /^https:/)
    const job = await api.run('head -c 3000000 /dev/urandom > big; echo said')
    assert.equal(job.status, 'Completed', job.message)
    assert.equal((await api.files(job.id)).get('big')?.content.byteLength, 3_000_000)
    const health = await api.health()
    assert.equal(health.services[0]?.clients[0]?.trouble, null)
    assert.equal(await program.stop(), 0)
    assert.equal(await node.program.stop(), 0)
    const all = program.said + node.program.said
    assert.ok(!all.includes('PRIVATE KEY') && !all.includes(server['CLUSTER_SECRET'] ?? ''))
  })

  test('without certificates of servers, and with the authorities of the system', async () => {
    const { lab, authority, client } = site
    const { TLS_CA: _ca, ...env } = client
    const node = await lab.client({ name: 'client-0', env })
    const services = { example: [node.address] }
    const secret = { CLUSTER_SECRET: client['CLUSTER_SECRET'] ?? '' }
    for (const name of ['TLS_CA', 'SSL_CERT_FILE']) {
      const up = await lab.server({ name, services, env: { ...secret, [name]: authority.file } })
      assert.match(up.api.address, /^http:/)
      assert.equal((await up.api.run('true')).status, 'Completed')
    }
    const up = await lab.server({ name: 'server-0', services, env: secret })
    assert.match(await troubleOf(up), /unable to verify|self-signed|issuer/)
  })

  test('attack: plain HTTP to a port with TLS, of either mode', async () => {
    const { lab, server, client } = site
    const node = await lab.client({ name: 'client-2', env: client })
    const plain = node.address.replace('https', 'http')
    const up = await lab.server({ name: 'server-2', services: { example: [plain] }, env: server })
    for (const address of [node.address, up.api.address]) {
      assert.doesNotMatch(await plainAnswer(address), /HTTP\/1\.1 2|pong|database/)
    }
    assert.match(await troubleOf(up), /other side closed|ECONNRESET|socket/)
    await node.program.line(({ msg }) => /a TLS connection from .* was refused: .*http/i.test(msg))
  })

  test('attack: a server without a certificate, or with one that is no good', async () => {
    const { lab, authority, server, client } = site
    const node = await lab.client({ name: 'client-3', env: client })
    const stranger = await Authority.create(join(lab.directory, 'other-ca'))
    const { TLS_CERT: _cert, TLS_KEY: _key, ...bare } = server
    const attacks = {
      none: [{}, 'peer did not return a certificate'],
      stranger: [await stranger.issue('server'), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
      itself: [await selfSigned(lab.directory, 'itself'), 'DEPTH_ZERO_SELF_SIGNED_CERT'],
      expired: [await authority.issue('late', { isExpired: true }), 'CERT_HAS_EXPIRED'],
    } as const
    // Applications need not look whom they ask here.
    setGlobalDispatcher(new Agent({ connect: { rejectUnauthorized: false } }))
    for (const [name, [files, why]] of Object.entries(attacks)) {
      const env = { ...bare, ...files }
      const up = await lab.server({ name, services: { example: [node.address] }, env })
      assert.match(await troubleOf(up), /its log says whether it wants another certificate/, name)
      await node.program.line(({ msg }) => msg.includes('was refused') && msg.endsWith(why))
      await up.program.stop()
    }
    // None of them came as far as to the gate.
    assert.ok(node.program.lines.every((line) => line['kind'] === undefined))
  })

  test('attack: a client whose certificate is no good', async () => {
    const { lab, authority, server, client } = site
    const stranger = await Authority.create(join(lab.directory, 'third-ca'))
    const attacks = {
      'of-another-authority': [
        await stranger.issue('client'),
        /unable to verify|self-signed|issuer/,
      ],
      'of-itself': [await selfSigned(lab.directory, 'own'), /self-signed/],
      'of-yesterday': [await authority.issue('old', { isExpired: true }), /expired/],
    } as const
    for (const [name, [files, why]] of Object.entries(attacks)) {
      const node = await lab.client({ name, env: { ...client, ...files } })
      const services = { example: [node.address] }
      const up = await lab.server({ name: `server-${name}`, services, env: server })
      const id = await up.api.upload('true')
      assert.match(await troubleOf(up), why, name)
      assert.equal((await up.api.job(id)).status, 'Queued')
      await up.program.stop()
    }
    // A name that is not in it: the address is right, and the certificate another's.
    const node = await lab.client({ name: 'named', env: client })
    const [, port] = /:(\d+)$/.exec(node.address) ?? []
    const services = { example: [`https://127.0.0.2:${port}`] }
    const listening = await lab.client({ name: 'elsewhere', env: { ...client, HOST: '127.0.0.2' } })
    assert.match(listening.address, /127\.0\.0\.2/)
    services.example = [listening.address]
    const up = await lab.server({ name: 'server-named', services, env: server })
    assert.match(await troubleOf(up), /does not match certificate|altnames/)
  })

  test('certificates are changed while a job runs, and a broken one is not taken', async () => {
    const { lab, authority, server, client } = site
    const names = [{ name: 'server-5' }, { name: 'client-5' }] as const
    const own = async (name: string, from: Record<string, string>) => {
      const [TLS_CERT, TLS_KEY] = [
        join(lab.directory, `${name}.pem`),
        join(lab.directory, `${name}.key`),
      ]
      await copyFile(from['TLS_CERT'] ?? '', TLS_CERT)
      await copyFile(from['TLS_KEY'] ?? '', TLS_KEY)
      return { ...from, TLS_CERT, TLS_KEY }
    }
    const [ofServer, ofClient] = [await own('s', server), await own('c', client)]
    const hold = new Hold(lab)
    const {
      api,
      program,
      client: node,
    } = await lab.pair({ ...names[0], env: ofServer }, { ...names[1], env: ofClient })
    const id = await api.upload(hold.wait)
    await api.reached(id, 'Running')
    const atFirst = await serialOf(node.address, client)

    await writeFile(ofClient.TLS_CERT, 'nothing of use')
    await node.program.line(({ msg }) =>
      /TLS_CERT: .*; what was read before stays in use/.test(msg),
    )
    assert.equal(await serialOf(node.address, client), atFirst)
    assert.equal((await api.run('true')).status, 'Completed')

    for (const [name, files, { lines }] of [
      ['new-client', ofClient, node.program],
      ['new-server', ofServer, program],
    ] as const) {
      const issued = await authority.issue(name)
      await copyFile(issued.TLS_KEY, files.TLS_KEY)
      await copyFile(issued.TLS_CERT, files.TLS_CERT)
      await until('the certificate is in use', () =>
        lines.some(
          ({ msg }) => msg.includes(files.TLS_CERT) && msg.includes('changed, and in use'),
        ),
      )
    }
    assert.notEqual(await serialOf(node.address, client), atFirst)
    assert.equal(await nameOf(api.address, client), 'new-server')
    assert.equal((await api.run('true')).status, 'Completed')
    await hold.release()
    assert.equal((await api.ended(id)).status, 'Completed')
  })
})

async function certificateOf(address: string, files: Record<string, string>) {
  const [cert, key, ca] = await Promise.all(
    ['TLS_CERT', 'TLS_KEY', 'TLS_CA'].map((name) => readFile(files[name] ?? '')),
  )
  const options = { port: Number(new URL(address).port), host: '127.0.0.1' }
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const socket = connectSecurely(
    { ...options, ...(cert && key && ca && { cert, key, ca }) },
    resolve,
  )
  socket.on('error', reject)
  await promise
  const certificate = socket.getPeerCertificate()
  socket.destroy()
  return certificate
}

const serialOf = async (...args: Parameters<typeof certificateOf>) =>
  (await certificateOf(...args)).serialNumber
const nameOf = async (...args: Parameters<typeof certificateOf>) =>
  (await certificateOf(...args)).subject.CN
