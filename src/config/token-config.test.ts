import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConfigError } from './config.ts'
import { readTokenConfig } from './token-config.ts'

const read = (line: string, environment = {}) =>
  readTokenConfig(line.split(' ').filter(Boolean), environment)

function faultsOf(line: string): readonly string[] {
  try {
    read(line)
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.faults
  }
  return []
}

test('a token is described by its flags', () => {
  assert.deepEqual(read('create --name portal --scope submit'), {
    verb: 'create',
    dbPath: './db.sqlite',
    name: 'portal',
    scopes: ['submit'],
    service: null,
    userId: null,
    expiresInMs: null,
  })
  const all = '--scope=read,submit --service Docking --user a@b.org --expires 90d --db-path x'
  assert.deepEqual(read(`create --name n ${all}`, { DB_PATH: 'y' }), {
    verb: 'create',
    dbPath: 'x',
    name: 'n',
    scopes: ['submit', 'read'],
    service: 'docking',
    userId: 'a@b.org',
    expiresInMs: 90 * 86_400_000,
  })
})

test('the others need a database, and which', () => {
  assert.deepEqual(read('list', { DB_PATH: 'y' }), { verb: 'list', dbPath: 'y' })
  for (const line of ['revoke p --db-path x', 'revoke --db-path x p', 'revoke --db-path=x p']) {
    assert.deepEqual(read(line), { verb: 'revoke', which: 'p', dbPath: 'x' }, line)
  }
})

test('all that is wrong is told', () => {
  assert.deepEqual(faultsOf(''), ['expected create, list or revoke, got "nothing"'])
  assert.deepEqual(faultsOf('make'), ['expected create, list or revoke, got "make"'])
  assert.match(faultsOf('revoke').join(), /^say which: its NAME or ID/)
  assert.match(faultsOf('revoke a b').join(), /^"b" means nothing here/)
  assert.match(faultsOf('list all').join(), /^"all" means nothing here/)
  assert.match(faultsOf('create').join('\n'), /^--name is missing: .*\n--scope is missing: /)
  const wrong = '--name 1 --scope all --service a/b --user é --expires never'
  const flags = faultsOf(`create ${wrong}`).map((fault) => fault.split(':')[0])
  assert.deepEqual(flags, ['--name', '--scope', '--service', '--user', '--expires'])
  // An empty variable of a script does not make a token that may do more.
  assert.deepEqual(faultsOf('create --name n --scope read --user='), ['--user needs a value'])
})
