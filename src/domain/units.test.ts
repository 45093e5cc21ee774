import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  Wrong,
  parseDurationMs,
  parseHttpUrl,
  parseShortDurationMs,
  parseSizeBytes,
  parseSizeOrZeroBytes,
  parseWhole,
} from './units.ts'

/** What a parser makes of each text; `wrong` for what it refuses. */
function parsed(parse: (text: string) => unknown, texts: readonly string[]): unknown[] {
  return texts.map((text) => {
    const value = parse(text)
    return value instanceof Wrong ? 'wrong' : value
  })
}

const day = 86_400_000

test('sizes are in bytes, or have a unit', () => {
  assert.deepEqual(
    parsed(parseSizeBytes, ['1024', '1k', '1 kB', '1.5KiB', '2GB']),
    [1024, 1024, 1000, 1536, 2_000_000_000],
  )
  const wrong = ['', '0', '-1', '1e3', '1 x', '0x10', ' 1', '9'.repeat(20), '0.1']
  assert.deepEqual(new Set(parsed(parseSizeBytes, wrong)), new Set(['wrong']))
})

test('a size that may be nothing may be 0, in no other way', () => {
  assert.deepEqual(parsed(parseSizeOrZeroBytes, ['0', '1GiB', '00', '0B', '-1']), [
    0,
    2 ** 30,
    'wrong',
    'wrong',
    'wrong',
  ])
})

test('times are in seconds, or have a unit', () => {
  assert.deepEqual(parsed(parseDurationMs, ['60', '0.5', '500ms', '5min', '5 M', '2h', '10d']), [
    60_000,
    500,
    500,
    300_000,
    300_000,
    7_200_000,
    10 * day,
  ])
  assert.deepEqual(new Set(parsed(parseDurationMs, ['', '0', 'soon', '1y'])), new Set(['wrong']))
})

test('a time that somebody waits, and one that a script may run, are bounded', () => {
  assert.deepEqual(parsed(parseShortDurationMs, ['1d', '1s', '1.1d', 'x']), [
    day,
    1000,
    'wrong',
    'wrong',
  ])
})

test('whole numbers have bounds, both included', () => {
  assert.deepEqual(parsed(parseWhole(1, 100), ['1', '100', '007', '0', '101', '1.0', '+1', '']), [
    1,
    100,
    7,
    'wrong',
    'wrong',
    'wrong',
    'wrong',
    'wrong',
  ])
})

test('addresses are HTTP, without what means nothing to us', () => {
  assert.deepEqual(parsed(parseHttpUrl, ['http://a:9000/submit', 'https://a/submit']), [
    'http://a:9000/submit',
    'https://a/submit',
  ])
  const wrong = ['a:9000', 'ftp://a/', 'http://u@a/', 'http://a/#x', 'http://a/?x=1', '']
  assert.deepEqual(new Set(parsed(parseHttpUrl, wrong)), new Set(['wrong']))
})
