import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PathSet, isUserId, safePath } from './names.ts'

test('names that stay in the work directory are kept, without detours', () => {
  const names = ['run.sh', 'a/b.txt', './run.sh', 'a//b', 'a/./b', 'ä ö/ü.txt', '...', '.hidden']
  assert.deepEqual(names.map(safePath), [
    'run.sh',
    'a/b.txt',
    'run.sh',
    'a/b',
    'a/b',
    'ä ö/ü.txt',
    '...',
    '.hidden',
  ])
  assert.equal(safePath('.orchestrator.exit'), '.orchestrator.exit')
})

test('names that could lead elsewhere are refused, with the reason', () => {
  const refused: [string, RegExp][] = [
    ['', /is empty/],
    ['/etc/passwd', /is absolute/],
    ['../x', /contains "\.\."/],
    ['a/../../x', /contains "\.\."/],
    ['a/', /names a directory/],
    ['./.', /names no file/],
    ['a\nb', /control characters/],
    ['a\u0000b', /control characters/],
    ['a\\b', /backslash/],
    ['\u{fffd}', /not valid UTF-8/],
    ['.orchestrator/x', /reserved/],
    ['./.orchestrator', /reserved/],
    ['x'.repeat(256), /longer than 255 bytes/],
    ['ü'.repeat(128), /longer than 255 bytes/],
    [Array.from({ length: 6 }, () => 'x'.repeat(200)).join('/'), /longer than 1024 bytes/],
    [Array.from({ length: 101 }, () => 'x').join('/'), /more than 100 levels/],
    ['a\u009bb', /control characters/],
  ]
  for (const [name, reason] of refused) {
    assert.throws(() => safePath(name), { name: 'Fault', code: 'invalid', message: reason }, name)
  }
})

test('long names are cut in the message', () => {
  assert.throws(
    () => safePath(`/${'x'.repeat(5000)}`),
    ({ message }: Error) => message.length < 200,
  )
})

test('paths that cannot stand beside each other are refused', () => {
  const paths = new PathSet()
  paths.add('a/b/c')
  paths.add('d')
  assert.equal(paths.size, 2)
  assert.ok(paths.has('d') && !paths.has('a'))
  assert.throws(() => paths.add('d'), /sent twice/)
  assert.throws(() => paths.add('a/b'), /both a file and a directory/)
  assert.throws(() => paths.add('d/e'), /both a file and a directory/)
})

test('a user is an integer or any short token', () => {
  const users = ['1', 'ada', 'ada.l@example-lab.org', 'x'.repeat(128)]
  assert.ok(users.every(isUserId))
  assert.equal(['', ' ', 'a b', 'ä', 'a/b', 'x'.repeat(129)].some(isUserId), false)
})

test('paths are flat as long as none is in a directory', () => {
  const paths = new PathSet()
  paths.add('run.sh')
  assert.ok(paths.isFlat)
  paths.add('data/in.txt')
  assert.ok(!paths.isFlat)
})

test('names of two cases are two names, those of two Unicode forms are not', () => {
  const paths = new PathSet()
  for (const name of ['A.txt', 'a.txt', 'caf\u00e9/x', 'cafe\u0301/y']) paths.add(name)
  assert.equal(paths.size, 4)
  assert.equal(paths.has('cafe\u0301/x'), false)
  assert.throws(() => paths.add('cafe\u0301/x'), /two Unicode forms/)
  assert.throws(() => paths.add('cafe\u0301'), /both a file and a directory/)
})

test('there may be so many files, so many directories, and names of so many bytes', () => {
  const files = new PathSet(3)
  for (const name of ['a', 'b', 'c/d/e']) files.add(name)
  assert.throws(() => files.add('f'), /more than 3 files \(MAX_UPLOAD_FILES\)/)
  const directories = new PathSet(3)
  directories.add('a/b/c/x')
  assert.throws(() => directories.add('d/x'), /in more than 3 directories \(MAX_UPLOAD_FILES\)/)
  const names = new PathSet()
  const most = () => {
    for (let count = 0; ; count++) names.add(String(count).padStart(250, 'x'))
  }
  assert.throws(most, /longer than 16777216 bytes/)
  assert.equal(names.size, Math.floor(16_777_216 / 250))
})
