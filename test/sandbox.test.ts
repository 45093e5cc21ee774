/** Scripts that are kept apart by bubblewrap do what they did before, and end as they did. */
import assert from 'node:assert/strict'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { until } from './harness/lab.ts'
import { sandboxLab, whyNoSandbox } from './harness/sandbox.ts'

const missing = await whyNoSandbox()
const skip = missing ?? false

test('a script in a sandbox has its files, its places and its environment', { skip }, async () => {
  await using lab = await sandboxLab()
  const { api, client } = await lab.pair(
    {},
    { args: ['--pass-env', 'LICENCE'], env: { LICENCE: '1' } },
  )
  const job = await api.run({
    'run.sh':
      'pwd; id -un; env | sort >env.txt; echo a >"$TMPDIR/a"; echo b >"$HOME/b"; ' +
      'cat a/in.txt >a/out.txt; echo warning >&2; echo also >>/dev/stderr; ls /work /tmp "$HOME"; exit 0',
    'a/in.txt': 'one\n',
  })
  assert.equal(job.status, 'Completed', `${job.message}\n${client.program.said}`)
  const files = await api.files(job.id)
  const text = (name: string) => files.get(name)?.content.toString() ?? ''
  assert.match(text('.orchestrator/stdout.log'), /^\/work\njob\n/)
  assert.equal(text('.orchestrator/stderr.log'), 'warning\nalso\n')
  assert.equal(text('a/out.txt'), 'one\n')
  const environment = text('env.txt').trim().split('\n')
  const values = ['HOME=/home/job', 'TMPDIR=/tmp', 'LICENCE=1', 'SERVICE=example', 'LANG=C.UTF-8']
  for (const value of values) assert.ok(environment.includes(value), `${value}\n${text('env.txt')}`)
  const description = JSON.parse(text('.orchestrator/job.json')) as Record<string, unknown>
  const { by, network } = description['isolation'] as Record<string, unknown>
  assert.deepEqual({ by, network }, { by: 'bwrap', network: false })
})

test(
  'programs find what they have in /etc, and whom the system knows to be root',
  { skip },
  async () => {
    await using lab = await sandboxLab()
    const { api } = await lab.pair()
    const job = await api.run(
      `set -e; grep ^ID= /etc/os-release; getent passwd 0 | cut -d: -f1; getent group root | cut -d: -f3
       find /usr/lib/jvm/*/conf /usr/lib/jvm/*/lib -xtype l -lname '/etc/java*' 2>/dev/null || :
       ! command -v java >java.txt || java -version`,
    )
    assert.equal(job.status, 'Completed', job.message)
    const files = await api.files(job.id)
    const stdout = files.get('.orchestrator/stdout.log')?.content.toString()
    assert.match(stdout ?? '', /^ID=.*\nroot\n0\n$/)
  },
)

test(
  'a script in a sandbox ends with its own exit code, and its times count',
  { skip },
  async () => {
    await using lab = await sandboxLab()
    const { api } = await lab.pair()
    const failed = await api.run('exit 7')
    assert.match(failed.message, /^run.sh ended with exit code 7/)
    const signalled = await api.run('kill -SEGV $$')
    assert.match(signalled.message, /^run.sh was ended by SIGSEGV/)
    const busy = await api.run('for ((i = 0; i < 300000; i++)); do :; done; exit 0')
    const { content } = (await api.files(busy.id)).get('.orchestrator/job.json') ?? {}
    const { cpuSeconds } = JSON.parse(String(content)) as { cpuSeconds: number }
    assert.ok(cpuSeconds > 0.1, `${cpuSeconds} s of CPU`)
  },
)

test(
  'a script in a sandbox is asked to end, may tidy up, and is then ended',
  { skip },
  async () => {
    await using lab = await sandboxLab()
    const { api } = await lab.pair()
    const begun = async (id: number) => {
      const isThere = async () => (await api.files(id, 'download_partial')).has('begun')
      await until('the script has begun', () => isThere().catch(() => false))
    }
    const tidy = await api.upload(
      `trap 'echo tidied >out.txt; exit 3' TERM; echo >begun; sleep 1000`,
    )
    await begun(tidy)
    await api.terminate(tidy)
    const tidied = await api.ended(tidy)
    assert.deepEqual([tidied.status, tidied.message], ['Killed', 'job terminated'])
    const files = await api.files(tidy, 'download_partial')
    assert.equal(files.get('out.txt')?.content.toString(), 'tidied\n')
    const { content } = files.get('.orchestrator/job.json') ?? {}
    assert.equal((JSON.parse(String(content)) as { exitCode: number }).exitCode, 3)

    const deaf = await api.upload(`trap '' TERM; echo >begun; while :; do sleep 1000; done`)
    await begun(deaf)
    await api.terminate(deaf)
    assert.equal((await api.ended(deaf)).status, 'Killed')
  },
)

test(
  'where the client is root, each payload has a user of its own',
  { skip: skip || (process.getuid?.() !== 0 && 'not root') },
  async () => {
    await using lab = await sandboxLab()
    const { api } = await lab.pair()
    const ids = [
      await api.upload('echo >begun; sleep 1000'),
      await api.upload('echo >begun; sleep 1000'),
    ]
    const payloads = join(lab.directory, 'client', 'payloads')
    const begun = async () => {
      const names = (await readdir(payloads)).filter((name) => /^\d+$/.test(name))
      const files = names.map((name) =>
        stat(join(payloads, name, 'work', 'begun')).catch(() => null),
      )
      return (await Promise.all(files)).filter((stats) => stats !== null)
    }
    await until('both have begun', async () => (await begun()).length === 2)
    const users = (await begun()).map(({ uid }) => uid)
    assert.notEqual(users[0], users[1])
    for (const uid of users) assert.ok(uid >= 1_900_000_000, `user ${uid}`)
    for (const id of ids) await api.terminate(id)
    for (const id of ids) assert.equal((await api.ended(id)).status, 'Killed')
  },
)
