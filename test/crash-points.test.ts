/** The list of crash points, the code and the documentation agree. */
import assert from 'node:assert/strict'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { crashPoints } from '../src/crash-points/points.ts'

const root = join(import.meta.dirname, '..')
const list = 'crash-points/points.ts'

test('every crash point stands at one place of the code', async (t) => {
  const names = await readdir(join(root, 'src'), { recursive: true })
  const files = names.filter((name) => /(?<!\.test|\.suite)\.ts$/.test(name) && name !== list)
  const texts = await Promise.all(files.map((file) => readFile(join(root, 'src', file), 'utf8')))
  const calls = texts.flatMap((text) => text.match(/\bcrashPoint\((?!name: )[^)]*\)/g) ?? [])
  const placed = calls.flatMap((call) =>
    [...call.matchAll(/'([a-z]+: [^']+)'/g)].map(([, name]) => name),
  )
  t.diagnostic(`${placed.length} crash points, in ${calls.length} calls`)
  assert.equal(placed.length, new Set(placed).size, 'one stands twice')
  assert.deepEqual(new Set(placed), new Set(Object.keys(crashPoints)))
})

test('docs/reliability.md lists every crash point', async () => {
  const text = await readFile(join(root, 'docs', 'reliability.md'), 'utf8')
  const [, section = ''] = text.split('\n## Crash points\n')
  const rows = [...section.matchAll(/^\| (\w+: .*?) +\| (\w+) +\| (.*?) +\|$/gm)]
  assert.deepEqual(
    rows.map(([, name, side, meaning]) => [name, side, meaning]),
    Object.entries(crashPoints).map(([name, { side, meaning }]) => [name, side, meaning]),
  )
})
