/** Values for what a document describes: right ones, nearly right ones, and what nobody should send. */
import * as fc from 'fast-check'
import type { Schema } from './document.ts'

/** Texts that have been trouble somewhere. */
const hostile = [
  '',
  ' ',
  '.',
  '..',
  '/',
  '../../../../../../escaped',
  '/tmp/job-orchestrator-escaped',
  '..\\..\\escaped',
  '%2e%2e%2fescaped',
  '%00',
  '\0',
  '\r\nx-injected: yes',
  '\u202egnp.exe',
  '\u0000\u001b[31m',
  'é',
  'e\u0301',
  '😀',
  '\ud800',
  '__proto__',
  'constructor',
  'null',
  'NaN',
  '-1',
  '0',
  '1e309',
  '9007199254740993',
  '18446744073709551616',
  '{"a":[1,{}]}',
  "' or 1=1 --",
  '${7*7}{{7*7}}%n%s',
  '<script>alert(1)</script>',
  'a'.repeat(300),
  'a'.repeat(5_000),
  `${'d/'.repeat(2_000)}x`,
]

/** How a right value becomes one that is nearly right. */
const slips: readonly ((text: string) => string)[] = [
  (text) => `${text} `,
  (text) => ` ${text}`,
  (text) => text + text,
  (text) => text.slice(0, -1),
  (text) => text.slice(1),
  (text) => text.toUpperCase(),
  (text) => `-${text}`,
  (text) => `+${text}`,
  (text) => `0${text}`,
  (text) => `0x${text}`,
  (text) => `${text}.0`,
  (text) => `${text}e0`,
  (text) => `${text},${text}`,
  (text) => `${text}\n`,
  (text) => `${text}\0`,
  (text) => `"${text}"`,
]

/** Known values by the names of parameters and fields, where a value out of the blue finds nothing. */
export type Known = Readonly<Record<string, readonly string[]>>

/** A text for something of that name. */
export function valueOf(name: string, schema: Schema, known: Known): fc.Arbitrary<string> {
  const right = rightOf(name, schema, known)
  return fc.oneof(
    { weight: 30, arbitrary: right },
    { weight: 2, arbitrary: slipped(right) },
    { weight: 1, arbitrary: hostileText() },
  )
}

export function hostileText(): fc.Arbitrary<string> {
  return fc.oneof(fc.constantFrom(...hostile), fc.string({ unit: 'binary', maxLength: 40 }))
}

/** What the schema says, or what is known. */
function rightOf(name: string, schema: Schema, known: Known): fc.Arbitrary<string> {
  const values = known[name]
  const any = fromSchema(schema, known)
  if (!values) return any
  const isFree = schema.type === 'string' && schema.pattern === undefined
  return fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...values) },
    { weight: isFree ? 0 : 1, arbitrary: any },
  )
}

function slipped(right: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.tuple(right, fc.constantFrom(...slips)).map(([text, slip]) => slip(text))
}

function fromSchema(schema: Schema, known: Known): fc.Arbitrary<string> {
  const { type, pattern, minimum, maximum, properties } = schema
  if (properties) return jsonOf(properties, known)
  if (type === 'integer') {
    const range = { min: minimum ?? -(2 ** 31), max: maximum ?? 2 ** 31 }
    return fc.integer(range).map(String)
  }
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern))
  return fc.string({ maxLength: 20 })
}

/** An object as JSON; what is no number in it is a text. */
function jsonOf(properties: NonNullable<Schema['properties']>, known: Known): fc.Arbitrary<string> {
  const values = Object.entries(properties).map(([name, schema]) => {
    const value = valueOf(name, schema, known)
    return value.map((text) => {
      const isNumber = schema.type === 'integer' && /^\d+$/.test(text)
      return [name, isNumber ? Number(text) : text] as const
    })
  })
  return fc.tuple(...values).map((entries) => JSON.stringify(Object.fromEntries(entries)))
}
