/** What a client says of isolation at its start, where there is bubblewrap and where there is none. */
import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ClientHealth } from '../src/domain/protocol.ts'
import { Lab } from './harness/lab.ts'
import { sandboxLab, whyNoSandbox } from './harness/sandbox.ts'

const skip = (await whyNoSandbox()) ?? false
const isRoot = process.getuid?.() === 0

/** A PATH with all that is in /usr/bin but for bubblewrap. */
async function pathWithout(lab: Lab, command: string): Promise<string> {
  const directory = join(lab.directory, 'bin')
  await mkdir(directory)
  for (const name of await readdir('/usr/bin')) {
    if (name !== command) await symlink(join('/usr/bin', name), join(directory, name))
  }
  return directory
}

async function healthOf(address: string): Promise<ClientHealth['isolation']> {
  return ((await (await fetch(`${address}/health`)).json()) as ClientHealth).isolation
}

test('without a word a client uses bubblewrap, and says so', { skip }, async () => {
  await using lab = await Lab.create(undefined, 'auto')
  const { api, client } = await lab.pair({}, { args: ['--allow-network', 'web'] })
  const user = isRoot ? 'one per payload' : "the client's"
  const told = { by: 'bwrap', network: ['web'], user, trouble: null }
  assert.deepEqual(await healthOf(client.address), told)
  const line = await client.program.line(({ msg }) => msg.includes('isolated by bubblewrap'))
  assert.deepEqual([line['level'], line['isolation']], [30, told])
  assert.equal((await api.run('[[ $PWD == /work ]]')).status, 'Completed')
})

test('where there is no bubblewrap, on loopback: a warning, and all else works', async () => {
  await using lab = await Lab.create(undefined, 'auto')
  const PATH = await pathWithout(lab, 'bwrap')
  const { api, client } = await lab.pair({}, { env: { PATH } })
  const { by, trouble } = await healthOf(client.address)
  assert.equal(by, 'none')
  assert.equal(trouble, 'bubblewrap is not installed (the package bubblewrap)')
  const warnings = client.program.lines.filter(({ level }) => Number(level) === 40)
  assert.equal(warnings.length, 1, client.program.said)
  assert.match(warnings[0]?.msg ?? '', /^scripts are not isolated: .*bubblewrap is not installed/)
  const job = await api.run('exit 0')
  assert.equal(job.status, 'Completed')
  const { content } = (await api.files(job.id)).get('.orchestrator/job.json') ?? {}
  const { isolation } = JSON.parse(String(content)) as { isolation: unknown }
  assert.deepEqual(isolation, { by: 'none', network: true, user: "the client's" })
})

test('where there is no bubblewrap, for others: refused, unless it is said', async () => {
  await using lab = await Lab.create(undefined, 'auto')
  const env = { PATH: await pathWithout(lab, 'bwrap') }
  const args = ['--host', '0.0.0.0', '--insecure']
  const program = lab.program(['client', '--port', '0', ...args], env)
  assert.equal(await program.exit(), 2)
  assert.match(
    program.errors,
    /^job-orchestrator client: scripts cannot be isolated: bubblewrap is not installed \(the package bubblewrap\)\. Where .* ISOLATION=none\n$/,
  )
  const said = await lab.client({ args: [...args, '--isolation', 'none'], env })
  assert.equal((await healthOf(said.address.replace('0.0.0.0', '127.0.0.1'))).by, 'none')
})

test('bubblewrap that was asked for and is not there is in the way of a start', async () => {
  await using lab = await Lab.create(undefined, 'bwrap')
  const PATH = await pathWithout(lab, 'bwrap')
  const program = lab.program(['client', '--port', '0'], { PATH })
  assert.equal(await program.exit(), 2)
  assert.match(program.errors, /scripts cannot be isolated: bubblewrap is not installed/)
})

test(
  'another user who cannot reach the payloads is told before a script is',
  {
    skip: skip || (!isRoot && 'not root'),
  },
  async () => {
    await using lab = await sandboxLab()
    await chmod(lab.directory, 0o700)
    const program = lab.program(['client', '--port', '0'])
    assert.equal(await program.exit(), 2)
    const { directory } = lab
    assert.match(
      program.errors,
      new RegExp(`cannot pass through ${directory}: chmod o\\+x ${directory}`),
    )
  },
)

test('without a sandbox RUN_AS counts as well', { skip: !isRoot && 'not root' }, async () => {
  await using lab = await Lab.create(undefined, 'none')
  const { api, client } = await lab.pair({}, { args: ['--run-as', 'nobody'] })
  assert.equal((await healthOf(client.address)).user, 'nobody')
  const job = await api.run(
    'id -un; echo w >>/dev/stderr; echo x >"$HOME/x" && echo y >"$TMPDIR/y" && echo z >z',
  )
  assert.equal(job.status, 'Completed', job.message)
  const files = await api.files(job.id)
  assert.equal(files.get('.orchestrator/stdout.log')?.content.toString(), 'nobody\n')
  assert.equal(files.get('.orchestrator/stderr.log')?.content.toString(), 'w\n')
  const { isolation } = JSON.parse(String(files.get('.orchestrator/job.json')?.content)) as {
    isolation: unknown
  }
  assert.deepEqual(isolation, { by: 'none', network: true, user: 'nobody' })
})

test(
  'root that has no other users runs its scripts as itself, in a sandbox all the same',
  { skip: skip || (!isRoot && 'not root') },
  async () => {
    await using lab = await Lab.create(undefined, 'bwrap')
    const { api, client } = await lab.pair(
      {},
      {
        through: ['unshare', '--user', '--map-root-user'],
      },
    )
    assert.equal((await healthOf(client.address)).user, "the client's")
    await client.program.line(({ msg }) => msg.endsWith('as the client, which has no others here'))
    const job = await api.run('id -un; [[ $PWD == /work ]]')
    assert.equal(job.status, 'Completed', job.message)
    const files = await api.files(job.id)
    assert.equal(files.get('.orchestrator/stdout.log')?.content.toString(), 'job\n')
  },
)
