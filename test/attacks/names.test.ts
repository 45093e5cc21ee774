/** Names that lead elsewhere, that nobody can tell apart, or that are longer than any path. */
import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import type { Api } from '../harness/api.ts'
import { Lab } from '../harness/lab.ts'
import { file, formType, multipart, send, uploadRaw } from '../harness/raw.ts'
import type { RawPart } from '../harness/raw.ts'

let lab: Lab
let api: Api
let client: string

before(async () => {
  lab = await Lab.create()
  const up = await lab.pair()
  api = up.api
  client = up.client.address
})

after(() => lab[Symbol.asyncDispose]())

const script = file('run.sh', 'find . | sort')
const named = (disposition: string): RawPart => [`name="file"; ${disposition}`, 'x']

/** What each mode says to it, each of which looks at names itself. */
async function refusals(...parts: RawPart[]): Promise<string[]> {
  const upload = await uploadRaw(api.address, [script, ...parts])
  const body = multipart([script, ...parts])
  const submit = await send('POST', `${client}/submit`, { 'content-type': formType }, body)
  const said = JSON.parse(submit.body.toString()) as { message: string }
  assert.deepEqual([upload.status, submit.status], [400, 400], parts[0]?.[0])
  return [upload.body.message, said.message]
}

/** In every way in which the name of a part may be written. */
const traversals: Readonly<Record<string, readonly [RegExp, string]>> = {
  'two points': [/"\.\."/, 'filename="../x"'],
  'two points in the middle': [/"\.\."/, 'filename="a/../../x"'],
  'two points behind a point': [/"\.\."/, 'filename="./../x"'],
  'two points at the end': [/"\.\."/, 'filename="a/.."'],
  'an absolute path': [/absolute/, 'filename="/etc/passwd"'],
  'two slashes at the beginning': [/absolute/, 'filename="//server/share"'],
  backslashes: [/backslash/, 'filename="..\\\\..\\\\x"'],
  'a drive': [/backslash/, 'filename="C:\\\\x"'],
  'percent-encoded in filename*': [/"\.\."/, "filename*=utf-8''%2e%2e%2fx"],
  'percent-encoded backslashes in filename*': [/backslash/, "filename*=utf-8''..%5c..%5cx"],
  'filename* in Latin-1': [/"\.\."/, "filename*=iso-8859-1''%2e%2e%2fx"],
  'filename* beside a harmless filename': [/"\.\."/, 'filename="a"; filename*=utf-8\'\'..%2fx'],
  'overlong UTF-8 of two bytes': [/not valid UTF-8/, "filename*=utf-8''%c0%ae%c0%ae%2fx"],
  'overlong UTF-8 of a slash': [/not valid UTF-8/, "filename*=utf-8''..%c0%afx"],
  'overlong UTF-8 of three bytes': [/not valid UTF-8/, "filename*=utf-8''%e0%80%ae%e0%80%ae%2fx"],
  'a NUL': [/control characters/, "filename*=utf-8''a%00.txt"],
  'a NUL behind two points': [/control characters/, "filename*=utf-8''..%00%2fx"],
  'a line feed': [/control characters/, "filename*=utf-8''a%0ab"],
  'an escape sequence': [/control characters/, "filename*=utf-8''%1b%5b2J"],
  'an escape sequence of eight bits': [/control characters/, "filename*=utf-8''%c2%9b2J"],
  'the directory of ours': [/reserved/, 'filename=".orchestrator/job.json"'],
  'the directory of ours, with detours': [/reserved/, 'filename="././/.orchestrator/x"'],
  'a directory': [/names a directory/, 'filename="a/"'],
}

test('no way to write a name leads out of the work directory, at either mode', async (t) => {
  for (const [what, [why, disposition]] of Object.entries(traversals)) {
    await t.test(what, async () => {
      for (const message of await refusals(named(disposition))) assert.match(message, why)
    })
  }
  const beside = (await readdir(lab.directory)).filter((name) => !/^(client|server)/.test(name))
  assert.deepEqual(beside, [])
})

test('bytes that are no UTF-8 are no name, also where nothing says how they are encoded', async () => {
  const text = multipart([script, file('OVERLONG/x')]).toString('latin1')
  const body = Buffer.from(text.replace('OVERLONG', '\u00c0\u00ae\u00c0\u00ae'), 'latin1')
  const answer = await send('POST', `${client}/submit`, { 'content-type': formType }, body)
  assert.equal(answer.status, 400)
  assert.match(answer.body.toString(), /not valid UTF-8/)
})

test('what only looks like a way out is a name', async () => {
  const names = ['%2e%2e', '..a', 'a..', '...', '\uff0e\uff0e', '\u2025', 'a\u2215b']
  const parts = names.map((name) => named(`filename="${name}"`))
  const { status, body } = await uploadRaw(api.address, [script, ...parts])
  assert.equal(status, 201, body.message)
  await api.ended(body.id)
  const files = await api.files(body.id)
  for (const name of names) assert.equal(files.get(name)?.content.toString(), 'x', name)
})

test('at a client, a path as the name of the part leads no further than one as its filename', async () => {
  for (const [why, name, filename] of [
    [/"\.\."/, '../x', 'x'],
    [/absolute/, '/tmp/x', 'x'],
    [/reserved/, '.orchestrator/x', 'x'],
  ] as const) {
    const body = multipart([script, [`name="${name}"; filename="${filename}"`, 'x']])
    const answer = await send('POST', `${client}/submit`, { 'content-type': formType }, body)
    assert.equal(answer.status, 400)
    assert.match((JSON.parse(answer.body.toString()) as { message: string }).message, why)
  }
})

test('names of 4 KiB, and of 10,000 levels, are refused', async () => {
  for (const [why, name] of [
    [/longer than 255 bytes/, 'n'.repeat(4096)],
    [/longer than 1024 bytes/, `${'d'.repeat(200)}/`.repeat(20) + 'x'],
    [/more than 100 levels/, 'd/'.repeat(100) + 'x'],
    [/more than 100 levels/, 'd/'.repeat(2_000) + 'x'],
    [/head of a part is longer/, 'd/'.repeat(10_000) + 'x'],
  ] as const) {
    for (const message of await refusals(file(name))) assert.match(message, why)
  }
  const deepest = 'd/'.repeat(99) + 'x'
  const { status, body } = await uploadRaw(api.address, [script, file(deepest, 'deep')])
  assert.equal(status, 201, body.message)
  await api.ended(body.id)
  assert.equal((await api.files(body.id)).get(deepest)?.content.toString(), 'deep')
})

test('twins: of two cases both are kept, of two Unicode forms none is', async () => {
  for (const message of await refusals(file('caf\u00e9', '1'), file('cafe\u0301', '2'))) {
    assert.match(message, /two Unicode forms/)
  }
  for (const message of await refusals(file('d/\u00e9/x', '1'), file('d/e\u0301/x', '2'))) {
    assert.match(message, /two Unicode forms/)
  }
  for (const message of await refusals(file('\u00e9', '1'), file('e\u0301/x', '2'))) {
    assert.match(message, /both a file and a directory/)
  }
  const twins = [file('A.txt', 'upper'), file('a.txt', 'lower'), file('D/x', '1'), file('d/x', '2')]
  const { status, body } = await uploadRaw(api.address, [script, ...twins])
  assert.equal(status, 201, body.message)
  await api.ended(body.id)
  const files = await api.files(body.id)
  assert.deepEqual(
    ['A.txt', 'a.txt', 'D/x', 'd/x'].map((name) => files.get(name)?.content.toString()),
    ['upper', 'lower', '1', '2'],
  )
})

test('a file in the place of a directory, and the other way round, are refused', async () => {
  for (const parts of [
    [file('a'), file('a/b')],
    [file('a/b/c'), file('a/b')],
    [file('x/run.sh'), file('run.sh/x')],
  ]) {
    for (const message of await refusals(...parts)) {
      assert.match(message, /both a file and a directory/)
    }
  }
})
