/** `job-orchestrator token`: what it says, and what may be in its way. */
import assert from 'node:assert/strict'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { Lab } from './harness/lab.ts'
import { refusal } from './harness/refusal.ts'
import { makeToken, revokeToken, tokenCommand, wrongTokenCommand } from './harness/tokens.ts'

const nobody = { example: ['http://127.0.0.1:1'] }

test('a token can be made before the first start, and goes to standard output alone', async () => {
  await using lab = await Lab.create()
  const flags = ['--name', 'portal', '--scope', 'read,submit', '--service', 'Example']
  const place = ['--user', 'ada', '--expires', '1h', '--db-path', 'server.sqlite']
  const program = lab.program(['token', 'create', ...flags, ...place])
  assert.equal(await program.exit(), 0, program.said)
  const token = program.output
  assert.match(token, /^jo_[0-9a-f]{8}_[0-9a-f]{64}\n$/)
  const [made = '', told = '', first = ''] = program.errors.split('\n')
  assert.match(made, /^there is no database \S+server\.sqlite yet: it is made/)
  const id = token.split('_')[1] ?? ''
  const all = `^token portal \\(${id}\\): submit, read; user ada, service example, until \\S+Z\\.`
  assert.match(told, new RegExp(all))
  assert.match(first, /^it is the first one/)
  assert.ok(!program.errors.includes(token.trim()))
  const { api } = await lab.server({ services: nobody })
  assert.equal(await api.as(token.trim()).upload('true', { user: 'ada' }), 1)
  const [, row] = (await tokenCommand(lab, 'list')).split('\n')
  assert.match(row ?? '', new RegExp(`^${id}  portal  submit,read  ada {3}example  2.*  valid$`))
})

test('a name that is taken, a token and a database that there are not, are told in one line', async () => {
  await using lab = await Lab.create()
  for (const args of [['list'], ['revoke', 'portal']]) {
    assert.match(
      await refusal(wrongTokenCommand(lab, ...args)),
      /there is no database \S+: is --db-/,
    )
  }
  assert.deepEqual(await readdir(lab.directory), [])
  await makeToken(lab, 'portal')
  const again = wrongTokenCommand(lab, 'create', '--name', 'portal', '--scope', 'read')
  assert.match(await refusal(again), /there is a token "portal" already/)
  await revokeToken(lab, 'portal')
  await makeToken(lab, 'portal')
  assert.match(await refusal(wrongTokenCommand(lab, 'revoke', 'x')), /there is no token "x"/)
  await mkdir(join(lab.directory, 'other'))
  await writeFile(join(lab.directory, 'other', 'file'), 'no database at all, whatever it may be')
  const foreign = lab.program(['token', 'list', '--db-path', 'other/file'])
  assert.match(await refusal(foreign), /is not a database/)
  assert.deepEqual(await readdir(join(lab.directory, 'other')), ['file'])
})

test('what is wrong with a command is told whole, and nothing is made', async () => {
  await using lab = await Lab.create()
  const program = wrongTokenCommand(lab, 'create', '--name', '7', '--scope', 'all', '--what')
  assert.equal(await program.exit(), 2)
  assert.match(program.errors, /^job-orchestrator token: the configuration has 3 faults:\n/)
  assert.deepEqual(await readdir(lab.directory), [])
})

test('a database of another version is left to the server that uses it', async () => {
  await using lab = await Lab.create()
  const { program } = await lab.server({ services: nobody })
  const setVersion = (change: number) => {
    using database = new DatabaseSync(join(lab.directory, 'server.sqlite'))
    const version = Number(database.prepare('pragma user_version').get()?.['user_version'])
    database.exec(`pragma user_version = ${version + change}`)
  }
  setVersion(-1)
  const older = wrongTokenCommand(lab, 'list')
  assert.match(
    await refusal(older),
    /another job-orchestrator is using .*: it is of another version/,
  )
  setVersion(2)
  assert.match(await refusal(wrongTokenCommand(lab, 'list')), /made by a newer job-orchestrator/)
  setVersion(-1)
  await program.stop()
  await makeToken(lab, 'portal')
})

test('tokens that are made and revoked all the time cost no upload', async () => {
  await using lab = await Lab.create()
  const { api, program } = await lab.server({ services: nobody })
  const portal = api.as(await makeToken(lab, 'portal'))
  let isOver = false
  const uploads = Array.from({ length: 4 }, async (_, sender) => {
    let sent = 0
    for (; !isOver; sent++) await portal.upload('true', { user: `user${sender}` })
    return sent
  })
  for (let time = 0; time < 2; time++) {
    await makeToken(lab, 'other')
    await revokeToken(lab, 'other')
  }
  isOver = true
  const sent = (await Promise.all(uploads)).reduce((a, b) => a + b)
  assert.ok(sent > 4, `only ${sent} uploads`)
  assert.equal(program.lines.filter(({ level }) => Number(level) >= 50).length, 0, program.said)
})
