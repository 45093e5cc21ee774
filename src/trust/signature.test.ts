import assert from 'node:assert/strict'
import { createHash, createHmac, createSecretKey } from 'node:crypto'
import { test } from 'node:test'
import { Manifest, noting } from './manifest.ts'
import {
  readAuthorization,
  readChallenge,
  signFiles,
  signHead,
  writeAuthorization,
  writeChallenge,
} from './signature.ts'

const secret = createSecretKey(Buffer.from('0123456789abcdef0123456789abcdef'))
const realm = 'f'.repeat(32)
const claims = { realm, sender: 'a'.repeat(16), count: 7, timeMs: 1_800_000_000_000, options: '' }
const head = { method: 'GET', path: '/events?server=1', key: '' }

test('what is signed is what the documentation says', () => {
  const lines = ['job-orchestrator request 1', 'GET', '/events?server=1', '', realm]
  lines.push('aaaaaaaaaaaaaaaa-7', '1800000000000', '')
  const right = createHmac('sha256', '0123456789abcdef0123456789abcdef').update(lines.join('\n'))
  assert.equal(signHead(secret, head, claims).toString('hex'), right.digest('hex'))
  const files = ['job-orchestrator files 1', realm, 'aaaaaaaaaaaaaaaa-7', 'digest'].join('\n')
  const sealed = createHmac('sha256', '0123456789abcdef0123456789abcdef').update(files)
  assert.equal(signFiles(secret, claims, 'digest').toString('hex'), sealed.digest('hex'))
})

test('a header says what was written, and nothing else is one', () => {
  const signature = signHead(secret, head, claims)
  for (const options of ['', 'b'.repeat(64)]) {
    const text = writeAuthorization({ ...claims, options }, signature)
    assert.deepEqual(readAuthorization(text), { claims: { ...claims, options }, signature })
    for (const wrong of [
      '',
      'Bearer x',
      `${text} `,
      text.replace('-7', '-0'),
      text.toUpperCase(),
    ]) {
      assert.equal(readAuthorization(wrong), undefined)
    }
    const large = text.replace('-7"', '-9007199254740993"')
    assert.equal(readAuthorization(large), undefined)
  }
  assert.equal(readChallenge(writeChallenge(realm)), realm)
  assert.equal(readChallenge('Basic realm="x"'), undefined)
})

const hash = (text: string) => createHash('sha256').update(text).digest('hex')

const digestOf = async (files: readonly (readonly [string, string])[]) => {
  const manifest = new Manifest()
  for (const [path, content] of files) {
    const pieces = content.split('').map((one) => Buffer.from(one))
    const out = await Array.fromAsync(
      noting(
        manifest,
        path,
        (async function* () {
          yield* pieces
        })(),
      ),
    )
    assert.equal(Buffer.concat(out).toString(), content)
  }
  return manifest.digest()
}

test('a manifest is another one when anything of its files is', async () => {
  const one = await digestOf([
    ['a', 'xy'],
    ['ü', ''],
  ])
  assert.equal(one, hash(`${hash('xy')} 2 1 a\n${hash('')} 0 2 ü\n`))
  const others = [
    [['a', 'xy']],
    [
      ['ü', ''],
      ['a', 'xy'],
    ],
    [
      ['a', 'xz'],
      ['ü', ''],
    ],
    [
      ['a ', 'xy'],
      ['ü', ''],
    ],
    [
      ['a', 'xy'],
      ['ü', ''],
      ['b', ''],
    ],
    [[`a\n${hash('')} 0 2 ü`, 'xy']],
  ] as const
  const digests = await Promise.all(others.map(digestOf))
  assert.equal(new Set([one, ...digests]).size, others.length + 1)
})
