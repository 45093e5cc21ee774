import assert from 'node:assert/strict'
import { buffer } from 'node:stream/consumers'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { PartNames, boundaryOf } from './part-names.ts'

async function through(sent: string, piece: number): Promise<string> {
  const bytes = Buffer.from(sent)
  const pieces = []
  for (let at = 0; at < bytes.byteLength; at += piece) pieces.push(bytes.subarray(at, at + piece))
  return (await buffer(Readable.from(pieces).pipe(new PartNames('b-1')))).toString()
}

function body(...parts: (readonly [head: string, content: string])[]): string {
  const written = parts.map(([head, content]) => `--b-1\r\n${head}\r\n\r\n${content}\r\n`)
  return `${written.join('')}--b-1--\r\n`
}

const part = (name: string, filename: string, content = 'x') =>
  [`Content-Disposition: form-data; ${name}; filename="${filename}"`, content] as const

const cases: Record<string, [sent: string, expected: string]> = {
  'names are decoded and quoted': [
    body(
      part('name="run.sh"', 'run.sh'),
      part("name*=utf-8''copy%20(1).txt", 'copy (1).txt', ''),
      part("name*=utf-8''a%2F%C3%BC's;=%25%22.txt", '\u00fc\'s;=%\\".txt'),
      part("name*=utf-8''last%20one", 'last one'),
    ),
    body(
      part('name="run.sh"', 'run.sh'),
      part('name="copy (1).txt"', 'copy (1).txt', ''),
      part('name="a/\u00fc\'s;=%\\".txt"', '\u00fc\'s;=%\\".txt'),
      part('name="last one"', 'last one'),
    ),
  ],
  'a field without a filename, and more heads than one, are no obstacle': [
    body(["content-disposition: form-data; name*=utf-8''a%20b\r\nContent-Type: text/plain", 'x']),
    body(['content-disposition: form-data; name="a b"\r\nContent-Type: text/plain', 'x']),
  ],
}

/** These go through as they are. */
const untouched: Record<string, string> = {
  'what looks like a head, in content': body([
    'Content-Disposition: form-data; name="a"',
    '\r\n\r\nContent-Disposition: form-data; name*=utf-8\'\'a%20b; filename="a b"\r\n\r\n',
  ]),
  'what looks like a delimiter, in content': body([
    'Content-Disposition: form-data; name="a"',
    "\r\n--b-2\r\n--b-1x\r\nContent-Disposition: form-data; name*=utf-8''a%20b\r\n\r\n\r\r\n-",
  ]),
  'malformed encodings, and what cannot stand in a head': body(
    part("name*=utf-8''%zz", 'zz'),
    part("name*=utf-8''%ff", 'ff'),
    part("name*=utf-8''a%0Ab", 'a\\\nb'),
    part("name*=iso-8859-1''a%20b", 'a b'),
  ),
  'a body that is broken off in a head': body(part("name*=utf-8''a%20b", 'a b')).slice(0, 60),
  'no multipart at all': `${'\r\n'.repeat(5)}hello`,
  nothing: '',
}

for (const [what, [sent, expected]] of [
  ...Object.entries(cases),
  ...Object.entries(untouched).map(([name, same]) => [name, [same, same]] as const),
]) {
  test(`${what}, however it comes`, async () => {
    const sizes = sent.length > 10_000 ? [1000, 1e6] : [1, 2, 3, 7, 50, 1e6]
    for (const size of sizes) {
      assert.equal(await through(sent, size), expected, `${size} at once`)
    }
  })
}

test('a head without an end is refused, however it comes', async () => {
  const sent = `--b-1\r\n${'x'.repeat(40_000)}`
  for (const size of [1000, 1e6]) {
    await assert.rejects(through(sent, size), /the head of a part is longer than 16384 bytes/)
  }
})

test('a boundary is found in a Content-Type', () => {
  assert.equal(boundaryOf('multipart/form-data; boundary=a-b'), 'a-b')
  assert.equal(boundaryOf('multipart/form-data;charset=x; Boundary="a b";x=y'), 'a b')
  assert.equal(boundaryOf('multipart/form-data'), undefined)
})
