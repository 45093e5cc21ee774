/** Multipart bodies: right ones, and all that may be wrong with one. */
import * as fc from 'fast-check'
import type { Schema } from './document.ts'
import { hostileText, valueOf } from './values.ts'
import type { Known } from './values.ts'

type Part = {
  /** Lines. */
  readonly head: readonly string[]
  readonly content: Uint8Array
}

export type Form = { readonly contentType: string | undefined; readonly body: Buffer }

/** What is done to the bytes of a whole body; places are parts of its length. */
type Mutation =
  | { readonly kind: 'cut'; readonly at: number }
  | { readonly kind: 'flip'; readonly at: number; readonly bit: number }
  | { readonly kind: 'drop' | 'double'; readonly at: number; readonly length: number }
  | { readonly kind: 'insert'; readonly at: number; readonly bytes: Uint8Array }

/**
 * What is in the files. A client runs some of it, and it may come out altered: so there is nothing
 * in it that a shell does more with than looking for a command.
 */
const contents = [
  '',
  'true\n',
  'exit 3\n',
  'echo said > out.txt\n',
  'a\r\nb',
  '--the-boundary\r\n',
  '\r\n--the-boundary--',
  'a'.repeat(3_000),
  'a'.repeat(70_000),
].map((text) => new Uint8Array(Buffer.from(text)))

const boundaries = ['the-boundary', 'x', "'()+_,-./:=?", 'b'.repeat(70), 'b'.repeat(200)]

/** A form of these properties; those that are files by their names come several, and one is run.sh. */
export function formOf(schema: Schema, known: Known): fc.Arbitrary<Form> {
  const boundary = oneMostly('the-boundary', fc.constantFrom(...boundaries))
  const parts = fc
    .tuple(rightParts(schema, known), few(oddPart()), few(fc.nat(5)), fc.boolean())
    .chain(([right, odd, dropped, isShuffled]) => {
      const all = [...right.filter((_part, at) => !dropped.includes(at)), ...odd]
      return isShuffled
        ? fc.shuffledSubarray(all, { minLength: all.length })
        : fc.constant<Part[]>(all)
    })
  const before = oneMostly('', fc.constantFrom('preamble\r\n', '\r\n', '--', '\n'))
  const after = oneMostly('--\r\n', fc.constantFrom('--', '', '\r\n', '--\r\nepilogue', '-'))
  const newline = oneMostly('\r\n', fc.constantFrom('\n', '\r', '\r\r\n'))
  return fc
    .tuple(boundary, parts, before, after, newline, few(mutation()), contentTypeOf())
    .map(([by, all, head, tail, line, mutations, contentType]) => {
      const body = Buffer.concat([
        Buffer.from(head),
        ...all.flatMap((part) => [
          Buffer.from(`--${by}${line}${[...part.head, '', ''].join(line)}`),
          part.content,
          Buffer.from(line),
        ]),
        Buffer.from(`--${by}${tail}`),
      ])
      return { contentType: contentType(by), body: mutations.reduce(mutate, body) }
    })
}

const quoted = (by: string): string => `multipart/form-data; boundary="${by}"`

function contentTypeOf(): fc.Arbitrary<(boundary: string) => string | undefined> {
  return oneMostly(
    quoted,
    fc.constantFrom<(boundary: string) => string | undefined>(
      (by) => `multipart/form-data; boundary=${by}`,
      (by) => `Multipart/Form-Data; charset=utf-16; boundary="${by}"`,
      (by) => `multipart/form-data; boundary="${by}"; boundary=other`,
      (by) => `multipart/form-data; boundary=${by}2`,
      () => 'multipart/form-data; boundary=',
      () => 'multipart/form-data',
      () => 'multipart/form-data;boundary="the',
      (by) => `multipart/mixed; boundary="${by}"`,
      () => 'application/json',
      () => 'text',
      () => '',
      () => '\xff/\xff',
      () => undefined,
    ),
  )
}

function rightParts(
  { properties = {}, required = [] }: Schema,
  known: Known,
): fc.Arbitrary<Part[]> {
  const parts = Object.entries(properties).map(([name, schema]) => {
    if (schema.type === 'array') return filesOf(name)
    const value = valueOf(name, schema, known).map((text) => [field(name, text)])
    // Few at a time: where each of many may be wrong, hardly a form is right.
    const isUsual = required.includes(name) || known[name] !== undefined
    const seldom = { weight: isUsual ? 0 : 9, arbitrary: fc.constant<Part[]>([]) }
    return fc.oneof({ weight: 1, arbitrary: value }, seldom)
  })
  return fc.tuple(...parts).map((all) => all.flat())
}

function filesOf(name: string): fc.Arbitrary<Part[]> {
  const content = fc.oneof(
    fc.constantFrom(...contents),
    fc.array(fc.constantFrom('a', ' ', '\n', '.', '\xff', '7'), { maxLength: 60 }).map((bytes) => {
      return new Uint8Array(Buffer.from(bytes.join(''), 'latin1'))
    }),
  )
  const plain = fc.constantFrom('a.txt', 'b.txt', 'sub/c.txt', 'sub/deep/d e.txt', 'é.txt')
  const filename = fc.oneof(
    { weight: 8, arbitrary: plain },
    { weight: 1, arbitrary: hostileText() },
  )
  const runs = content.map((bytes) => file(name, 'run.sh', bytes))
  const others = fc.tuple(filename, content).map(([path, bytes]) => file(name, path, bytes))
  return fc.tuple(runs, fc.array(others, { maxLength: 3 })).map(([run, more]) => [run].concat(more))
}

/** A part that no browser sends. */
function oddPart(): fc.Arbitrary<Part> {
  const disposition = 'Content-Disposition: form-data'
  const head = fc.oneof(
    hostileText().map((text) => [`${disposition}; name="${text}"; filename="${text}"`]),
    hostileText().map((text) => [`${disposition}; name="${text}"`]),
    hostileText().map((text) => [text]),
    hostileText().map((text) => [`${disposition}; name="file"; filename*=utf-8''${text}`]),
    fc.constantFrom<string[]>(
      [],
      [''],
      [disposition],
      [`${disposition}; name=file; filename=`],
      [`${disposition}; name="file"; filename="a`],
      [`${disposition}; name="file"; filename="a\\"b"`],
      [`${disposition}; name="file"; filename*=utf-16''%ff%fe`],
      [`${disposition}; name="file"; filename*=utf-8''%zz`],
      [`${disposition}; name="file"; filename="x"; filename*=utf-8''y`],
      [`${disposition}; name="file"; filename="run.sh"`],
      ['Content-Disposition: attachment; filename="a.txt"'],
      [`${disposition}; name="user_id"`, 'Content-Type: application/octet-stream'],
      [`${disposition}; name="user_id"`, 'Content-Type: text/plain; charset=utf-7'],
      [`${disposition}; name="user_id"`, 'Content-Type: text/plain; charset=nosuch'],
      [`${disposition}; name="user_id"`, 'Content-Transfer-Encoding: base64'],
      [`${disposition}; name="f"; filename="g"`, 'Content-Type: multipart/mixed; boundary=inner'],
      [disposition, ' ; name="folded"'],
      [`${disposition}; name="${'n'.repeat(20_000)}"`],
      [`${disposition}; name="x"`, ...Array.from({ length: 2_100 }, (_, n) => `X-${n}: y`)],
      ['no colon at all'],
      [': no name'],
      ['Content-Disposition'],
    ),
  )
  return fc.record({ head, content: fc.constantFrom(...contents) })
}

function mutation(): fc.Arbitrary<Mutation> {
  const at = fc.double({ min: 0, max: 1, noNaN: true })
  const length = fc.nat(200)
  return fc.oneof(
    fc.record({ kind: fc.constant('cut' as const), at }),
    fc.record({ kind: fc.constant('flip' as const), at, bit: fc.nat(7) }),
    fc.record({ kind: fc.constant('drop' as const), at, length }),
    fc.record({ kind: fc.constant('double' as const), at, length }),
    fc.record({
      kind: fc.constant('insert' as const),
      at,
      bytes: fc
        .constantFrom('\r\n', '\r\n\r\n', '--the-boundary', '--', '\0', '\xff', '"')
        .map((text) => new Uint8Array(Buffer.from(text, 'latin1'))),
    }),
  )
}

function mutate(body: Buffer, mutated: Mutation): Buffer {
  const at = Math.floor(mutated.at * body.byteLength)
  const [before, after] = [body.subarray(0, at), body.subarray(at)]
  switch (mutated.kind) {
    case 'cut':
      return before
    case 'flip': {
      const flipped = Buffer.from(body)
      if (at < flipped.byteLength) flipped[at] = (flipped[at] ?? 0) ^ (1 << mutated.bit)
      return flipped
    }
    case 'drop':
      return Buffer.concat([before, after.subarray(mutated.length)])
    case 'double':
      return Buffer.concat([before, after.subarray(0, mutated.length), after])
    case 'insert':
      return Buffer.concat([before, mutated.bytes, after])
  }
}

function field(name: string, value: string): Part {
  return {
    head: [`Content-Disposition: form-data; name="${name}"`],
    content: new Uint8Array(Buffer.from(value)),
  }
}

function file(name: string, path: string, content: Uint8Array): Part {
  return { head: [`Content-Disposition: form-data; name="${name}"; filename="${path}"`], content }
}

function oneMostly<T>(usual: T, others: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ weight: 12, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: others })
}

/** None, mostly. */
function few<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T[]> {
  return fc.oneof(
    { weight: 3, arbitrary: fc.constant<T[]>([]) },
    { weight: 1, arbitrary: fc.array(arbitrary, { minLength: 1, maxLength: 3 }) },
  )
}
