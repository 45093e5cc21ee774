import assert from 'node:assert/strict'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { Authority, noCertificates } from '../../test/harness/certificates.ts'
import { ConfigError, readClientConfig, readServerConfig } from './config.ts'

const secret = 'not-to-be-seen-0123456789abcdef0123'

async function temporary(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'job-orchestrator-trust-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) }
}

function faultsOf(
  environment: Record<string, string>,
  read: typeof readClientConfig | typeof readServerConfig = readClientConfig,
): string[] {
  try {
    read([], environment)
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    assert.ok(!inspect(error).includes('not-to-be-seen'))
    return [...error.faults]
  }
  return []
}

test('a secret comes by a file or the environment, and no flag can say it', async () => {
  await using directory = await temporary()
  const file = join(directory.path, 'secret')
  await writeFile(file, `${secret}\nsecond-${secret}\n`, { mode: 0o600 })
  for (const read of [readServerConfig, readClientConfig]) {
    const fromFile = read(['--cluster-secret-file', file], {}).clusterSecret
    assert.equal(fromFile?.secrets.length, 2)
    assert.equal(fromFile?.file, file)
    const fromEnvironment = read([], { CLUSTER_SECRET: secret }).clusterSecret
    assert.ok(fromEnvironment?.secrets[0].equals(fromFile.secrets[0]))
    assert.equal(read([], { CLUSTER_SECRET: '' }).clusterSecret, null)
    const shown = inspect(fromFile, { depth: null }) + JSON.stringify(fromFile)
    assert.ok(!shown.includes('not-to-be-seen'))
    assert.throws(() => read([`--cluster-secret=${secret}`], {}), ConfigError)
  }
})

test('what is wrong with a secret is said, and nothing of the secret', async () => {
  await using directory = await temporary()
  const file = join(directory.path, 'secret')
  const CLUSTER_SECRET_FILE = file
  assert.deepEqual(faultsOf({ CLUSTER_SECRET_FILE }), [
    `CLUSTER_SECRET_FILE: ${file} cannot be read: there is no such file`,
  ])
  await writeFile(file, secret, { mode: 0o644 })
  assert.deepEqual(faultsOf({ CLUSTER_SECRET_FILE }, readServerConfig), [
    `CLUSTER_SECRET_FILE: other users may read or write ${file}: chmod o= ${file}`,
  ])
  await chmod(file, 0o640)
  assert.deepEqual(faultsOf({ CLUSTER_SECRET_FILE }), [])
  const short = 'a secret has at least 32 characters; make one with: openssl rand -hex 32'
  await writeFile(file, `${secret}\nnot-to-be-seen`)
  assert.deepEqual(faultsOf({ CLUSTER_SECRET_FILE }), [`CLUSTER_SECRET_FILE: ${file}: ${short}`])
  await writeFile(file, '\n\n')
  assert.deepEqual(faultsOf({ CLUSTER_SECRET_FILE }), [`CLUSTER_SECRET_FILE: ${file}: it is empty`])
  await writeFile(file, `${secret}\n${secret}\n${secret}\n`)
  assert.match(faultsOf({ CLUSTER_SECRET_FILE })[0] ?? '', /expected one secret, or two lines/)
  assert.deepEqual(faultsOf({ CLUSTER_SECRET: 'not-to-be-seen' }), [`CLUSTER_SECRET: ${short}`])
  assert.match(faultsOf({ CLUSTER_SECRET: secret, CLUSTER_SECRET_FILE })[0] ?? '', /both set/)
})

test(
  'what is wrong with certificates is said at once, with all other faults',
  { skip: noCertificates },
  async () => {
    await using directory = await temporary()
    const authority = await Authority.create(join(directory.path, 'ca'))
    const first = await authority.issue('first')
    const second = await authority.issue('second')
    const TLS_CA = authority.file
    const config = readClientConfig([], { ...first, TLS_CA })
    assert.ok(config.tls.identity && config.tls.ca !== null)
    assert.ok(!inspect(config, { depth: null, showHidden: true }).includes('PRIVATE KEY'))
    assert.deepEqual(config.warnings, [])
    const expired = await authority.issue('old', { isExpired: true })
    assert.match(readClientConfig([], expired).warnings[0] ?? '', /CN=old has expired: 20/)
    assert.deepEqual(faultsOf({ ...first, TLS_KEY: second.TLS_KEY, PORT: 'x' }), [
      'PORT: expected a whole number from 0 to 65535, got "x"',
      `TLS_KEY: ${second.TLS_KEY} has another key than that of TLS_CERT`,
    ])
    assert.deepEqual(faultsOf({ TLS_CERT: first.TLS_CERT, TLS_CA: '/not/there' }), [
      'TLS_CERT is set without TLS_KEY',
      'TLS_CA: /not/there cannot be read: there is no such file',
    ])
    assert.match(faultsOf({ TLS_KEY: first.TLS_KEY })[0] ?? '', /TLS_KEY is set without TLS_CERT/)
    assert.match(faultsOf({ TLS_CA })[0] ?? '', /TLS_CA is set without TLS_CERT/)
    assert.deepEqual(faultsOf({ TLS_CA }, readServerConfig), [])
    assert.match(
      faultsOf({ TLS_CERT: first.TLS_KEY, TLS_KEY: first.TLS_KEY })[0] ?? '',
      /TLS_CERT: .*first\.key has no certificate in PEM/,
    )
    await chmod(second.TLS_KEY, 0o644)
    assert.match(faultsOf(second)[0] ?? '', /TLS_KEY: other users may read or write/)
    await writeFile(
      second.TLS_CERT,
      'x-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----',
    )
    assert.match(faultsOf(second)[0] ?? '', /TLS_CERT: .* has a certificate that is damaged/)
  },
)
