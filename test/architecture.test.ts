/** Rooms and arrows: who may import whom (docs/ARCHITECTURE.md), and no cycles. */
import assert from 'node:assert/strict'
import { readFile, readdir } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'

const source = join(import.meta.dirname, '..', 'src')

/** What each room may import beside itself. Files at the top of src are rooms of their own. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  domain: [],
  log: ['domain'],
  embedded: [],
  self: [],
  'crash-points': [],
  loop: ['log'],
  config: ['domain', 'trust'],
  trust: ['domain', 'log'],
  store: ['domain', 'crash-points'],
  files: ['domain', 'crash-points'],
  executors: ['domain', 'files', 'log', 'crash-points', 'self'],
  import: ['domain', 'store', 'files'],
  backup: ['domain', 'store', 'files'],
  server: ['domain', 'store', 'files', 'loop', 'log', 'crash-points'],
  client: ['domain', 'store', 'files', 'loop', 'log', 'executors', 'crash-points'],
  http: ['domain', 'files', 'server', 'client', 'log', 'embedded', 'crash-points', 'trust'],
  cli: [
    'crash-points',
    'domain',
    'log',
    'loop',
    'config',
    'store',
    'files',
    'executors',
    'import',
    'backup',
    'server',
    'client',
    'http',
    'trust',
  ],
  main: ['cli', 'config', 'crash-points', 'log', 'embedded', 'executors'],
}

/** With fewer the test has looked in the wrong place. */
const fewestFiles = 60

type Sources = ReadonlyMap<string, readonly string[]>

/** Every source file with what it imports of ours, as paths below src. */
async function readSources(): Promise<Sources> {
  const names = await readdir(source, { recursive: true })
  const files = names.filter((name) => name.endsWith('.ts') && !/\.(test|suite)\.ts$/.test(name))
  const read = files.map(async (file) => {
    const text = await readFile(join(source, file), 'utf8')
    return [file, importsOf(file, text)] as const
  })
  return new Map(await Promise.all(read))
}

/** Static and dynamic imports and re-exports, of types too. */
function importsOf(file: string, text: string): string[] {
  const specifiers = text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'(\.[^']+)'/g)
  return [...specifiers].map(([, specifier = '']) =>
    relative(source, join(source, dirname(file), specifier)),
  )
}

function roomOf(file: string): string {
  return file.split('/')[0]?.replace(/\.ts$/, '') ?? ''
}

function forbiddenArrows(sources: Sources): string[] {
  return [...sources].flatMap(([file, imports]) => {
    const room = roomOf(file)
    const allowed = arrows[room]
    if (!allowed) return [`${file} is in no known room`]
    return imports
      .filter((imported) => imported !== '../package.json')
      .filter((imported) => roomOf(imported) !== room && !allowed.includes(roomOf(imported)))
      .map((imported) => `${file} must not import ${imported}`)
  })
}

function cycles(sources: Sources): string[] {
  const found: string[] = []
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]): void => {
    const start = path.indexOf(file)
    if (start >= 0) found.push([...path.slice(start), file].join(' > '))
    if (start >= 0 || done.has(file)) return
    for (const imported of sources.get(file) ?? []) visit(imported, [...path, file])
    done.add(file)
  }
  for (const file of sources.keys()) visit(file, [])
  return found
}

test('no import goes against an arrow, and none goes round', async (t) => {
  const sources = await readSources()
  const imports = [...sources.values()].flat()
  t.diagnostic(`looked at ${sources.size} files with ${imports.length} imports`)
  assert.ok(sources.size >= fewestFiles, `found only ${sources.size} files`)
  assert.ok(imports.length > sources.size, `found only ${imports.length} imports`)
  assert.deepEqual(forbiddenArrows(sources), [])
  assert.deepEqual(cycles(sources), [])
})

test('only main exits', async () => {
  const names = await readdir(source, { recursive: true })
  const files = names.filter((name) => name.endsWith('.ts') && name !== 'main.ts')
  const texts = await Promise.all(files.map((file) => readFile(join(source, file), 'utf8')))
  const exiting = files.filter((_, index) => /process\.exit\(/.test(texts[index] ?? ''))
  assert.deepEqual(exiting, [])
})

test('the test sees what it is to find', () => {
  const wrong = new Map([
    ['domain/a.ts', ['store/b.ts']],
    ['store/b.ts', ['domain/a.ts']],
    ['attic/c.ts', []],
  ])
  assert.deepEqual(forbiddenArrows(wrong), [
    'domain/a.ts must not import store/b.ts',
    'attic/c.ts is in no known room',
  ])
  assert.deepEqual(cycles(wrong), ['domain/a.ts > store/b.ts > domain/a.ts'])
  const text = "import type { A } from './b.ts'\nexport * from '../c.ts'\nawait import('./d.ts')"
  assert.deepEqual(importsOf('x/a.ts', text), ['x/b.ts', 'c.ts', 'x/d.ts'])
})
