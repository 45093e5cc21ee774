import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ConfigError, readClientConfig } from './config.ts'

function faultsOf(environment: Record<string, string>): readonly string[] {
  try {
    readClientConfig([], environment)
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.faults
  }
  return []
}

test('what scripts are to see has to be there, and never what the client keeps', async (context) => {
  const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
  context.after(() => rm(directory, { recursive: true }))
  const data = join(directory, 'data')
  const link = join(directory, 'link')
  await mkdir(data)
  await symlink(data, link)
  const environment = {
    DATA_PATH: data,
    BIND_RO: `${directory},${data}/payloads,${link},/nowhere,/proc,/usr/share`,
    BIND_DEV: '/usr,/dev/nothing,/dev/null',
  }
  const near = 'would show scripts what the client keeps in DATA_PATH'
  assert.deepEqual(faultsOf(environment), [
    `BIND_RO: ${directory} ${near}`,
    `BIND_RO: ${data}/payloads is not there`,
    `BIND_RO: ${link} ${near}`,
    'BIND_RO: /nowhere is not there',
    'BIND_RO: /proc is where scripts have their own',
    'BIND_DEV: /usr is not below /dev',
    'BIND_DEV: /dev/nothing is not there',
  ])
})

test('what only a sandbox can give is a fault where there is to be none', () => {
  assert.deepEqual(faultsOf({ ISOLATION: 'none', BIND_RO: '/usr', ALLOW_NETWORK: 'docking' }), [
    'ALLOW_NETWORK means nothing with ISOLATION=none',
    'BIND_RO means nothing with ISOLATION=none',
  ])
})

const read = (RUN_AS: string) => readClientConfig([], { RUN_AS }).runAs
const isRoot = process.getuid?.() === 0

test('RUN_AS names a user who is there, and not root', { skip: !isRoot && 'not root' }, () => {
  assert.deepEqual(read('nobody'), { name: 'nobody', uid: 65534, gid: 65534, isNamed: true })
  assert.deepEqual(read('12345'), { name: '12345', uid: 12345, gid: 12345, isNamed: false })
  assert.deepEqual(read('12345:6'), { name: '12345:6', uid: 12345, gid: 6, isNamed: false })
  assert.equal(read('nobody:nogroup')?.gid, 65534)
  assert.deepEqual(faultsOf({ RUN_AS: 'no-such-user' }), ['RUN_AS: there is no user no-such-user'])
  assert.deepEqual(faultsOf({ RUN_AS: '1:no-such-group' }), [
    'RUN_AS: there is no group no-such-group',
  ])
  for (const user of ['root', '0', '1:0']) {
    assert.deepEqual(faultsOf({ RUN_AS: user }), ['RUN_AS: scripts are not run as root'])
  }
})

test('RUN_AS is for root', { skip: isRoot && 'this is root' }, () => {
  assert.deepEqual(faultsOf({ RUN_AS: 'nobody' }), [
    'RUN_AS: only a client that runs as root can run scripts as another user',
  ])
})
