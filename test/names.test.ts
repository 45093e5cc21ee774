/** Names of files on their way through: kept exactly, or refused with a clear word. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Lab } from './harness/lab.ts'
import { jobsOnDisk } from './harness/left.ts'
import { file, uploadRaw } from './harness/raw.ts'
import type { RawPart } from './harness/raw.ts'

const script = file('run.sh', 'true')

/** A part with a name that cannot be written plainly. */
function encoded(name: string, content = ''): RawPart {
  const bytes = encodeURIComponent(name).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16)}`,
  )
  return [`name="file"; filename*=utf-8''${bytes}`, content]
}

const content = (name: string) => (name === 'empty.txt' ? '' : `content of ${name}`)

test('directories, empty files and strange names come back as they were sent', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const names = [
    'a/b/c/deep.txt',
    'a/b/beside.txt',
    'empty.txt',
    ' spaces at  both ends ',
    'größe.txt',
    'データ/結果 1.txt',
    '🧬.fa',
    'e\u0301 decomposed.txt',
    '100%.txt',
    '%41%2F%00.txt',
    "it's.txt",
    '"quoted".txt',
    'semi;colon, $(id) `id` & <x> |*?[a] #!.txt',
    '-rf',
    '.hidden',
    'a..b',
    '...',
    '.orchestrator.exit',
    'sub/run.sh',
    'sub/.orchestrator/mine.txt',
    `${'n'.repeat(251)}.txt`,
  ]
  const files = names.map((name) => encoded(name, content(name)))
  const { status, body } = await uploadRaw(api.address, [
    file('run.sh', 'find . -type f | wc -l'),
    ...files,
  ])
  assert.equal(status, 201, body.message)
  assert.equal((await api.ended(body.id)).status, 'Completed')
  const result = await api.files(body.id)
  for (const name of names) assert.equal(result.get(name)?.content.toString(), content(name), name)
  assert.equal(result.size, names.length + 4)
  const count = result.get('.orchestrator/stdout.log')?.content.toString().trim()
  assert.equal(Number(count), names.length + 1, 'all of them were there for the script')
})

test('names are read as curl and browsers write them', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const { status, body } = await uploadRaw(api.address, [
    script,
    file('naïve café.txt', '1'), // UTF-8 bytes, unquoted by nobody
    file('a\\"b.txt', '2'),
    file('./x//y.txt', '3'),
    file('100%25.txt', '4'),
    ['name="input"; filename="other-field.txt"', '5'],
    ['filename="no-field.txt"', '6'],
  ])
  assert.equal(status, 201, body.message)
  assert.equal((await api.ended(body.id)).status, 'Completed')
  const result = await api.files(body.id)
  const expected = ['naïve café.txt', 'a"b.txt', 'x/y.txt', '100%25.txt', 'other-field.txt']
  for (const [index, name] of expected.entries()) {
    assert.equal(result.get(name)?.content.toString(), String(index + 1), name)
  }
})

test('file inputs of a browser form that were left empty are ignored', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const empty: RawPart = ['name="file"; filename=""\r\nContent-Type: application/octet-stream', '']
  const { status, body } = await uploadRaw(api.address, [empty, script, empty])
  assert.equal(status, 201, body.message)
  assert.deepEqual(
    [...(await api.files((await api.ended(body.id)).id)).keys()].filter(
      (name) => !name.includes('/'),
    ),
    ['run.sh'],
  )
})

test('names that cannot be are refused with the reason, and nothing is left', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const refusals: readonly (readonly [RegExp, ...RawPart[]])[] = [
    [/absolute/, script, file('/etc/passwd')],
    [/"\.\."/, script, file('../x')],
    [/"\.\."/, script, file('a/../../x')],
    [/"\.\."/, script, file('a/../x')],
    [/"\.\."/, script, file('..')],
    [/control characters/, script, encoded('a\nb')],
    [/control characters/, script, encoded('a\u0000b')],
    [/control characters/, script, encoded('a\u007fb')],
    [/reserved/, script, file('.orchestrator/x')],
    [/reserved/, script, file('./.orchestrator//x')],
    [/reserved/, script, file('.orchestrator')],
    [/sent twice/, script, file('a.txt', '1'), file('a.txt', '2')],
    [/sent twice/, script, file('a/b.txt'), file('./a//b.txt')],
    [/both a file and a directory/, script, file('a'), file('a/b')],
    [/both a file and a directory/, script, file('a/b/c'), file('a/b')],
    [/no file run\.sh/, file('other.txt')],
    [/no file run\.sh/, file('sub/run.sh')],
    [/no file run\.sh/, file('RUN.SH')],
    [/no file was sent/],
    [/backslash/, script, file('a\\\\b')],
    [/names a directory/, script, file('a/')],
    [/not valid UTF-8/, script, ['name="file"; filename*=utf-8\'\'a%FFb', '']],
    [/longer than 255 bytes/, script, file('n'.repeat(256))],
    [/longer than 255 bytes/, script, file(`a/${'é'.repeat(128)}/b`)],
    [/longer than 1024 bytes/, script, file(`${'d'.repeat(100)}/`.repeat(10) + 'x'.repeat(50))],
  ]
  for (const [why, ...parts] of refusals) {
    const { status, body } = await uploadRaw(api.address, parts)
    const what = `${parts.at(-1)?.[0]}: ${body.message}`
    assert.deepEqual([status, body.id, body.status], [400, 0, 'Unknown'], what)
    assert.match(body.message, why, what)
    assert.deepEqual(await jobsOnDisk(lab), { incoming: [], jobs: [] }, what)
  }
  assert.equal((await api.run('true')).id, 1, 'refused uploads take no id')
})
