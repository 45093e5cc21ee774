/**
 * `npm test`: every gate and every test. Each gate says how much it looked at, and fails on too
 * little: a gate that looked at nothing passes otherwise.
 *
 *     npm test                               all of it
 *     npm test -- test/walk.test.ts ...      only these test files
 *     npm run check                          only the gates
 *     npm run test:e2e                       the end-to-end tests, against dist/job-orchestrator,
 *                                            which it builds
 *     JO=FILE npm run test:e2e               the same against another build of the program
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { glob, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { text } from 'node:stream/consumers'

const root = join(import.meta.dirname, '..')

type Gate = {
  readonly name: string
  /** One of the tools in node_modules/.bin, with its arguments. */
  readonly command: readonly [string, ...string[]]
  /** Finds in its output how much it looked at: a number, or, if it is global, a line for each. */
  readonly looked: RegExp
  readonly atLeast: number
}

const gates: readonly Gate[] = [
  {
    name: 'types (tsc), files',
    command: ['tsc', '--project', '.', '--listFiles'],
    looked: /^(?!.*node_modules).*\.ts$/gm,
    atLeast: 100,
  },
  {
    name: 'lint (oxlint), files',
    command: ['oxlint', '--deny-warnings'],
    looked: / on (\d+) files/,
    atLeast: 100,
  },
  {
    name: 'format (oxfmt), files',
    command: ['oxfmt', '--check', '.'],
    looked: / on (\d+) files/,
    atLeast: 100,
  },
  {
    name: 'unused code (knip), files',
    command: ['knip', '--no-progress', '--performance'],
    looked: /^parseFile +(\d+)/m,
    atLeast: 100,
  },
]

/** Fewer test files would mean that they were not found. */
const fewestTestFiles = 15

/** Where a test drives the program under test through the harness, any build of it will do. */
const drivesProgram = /\bLab\.create\(\)|'\.\/(fuzz|storm)\/\w+\.ts'/
/** But for those that build it themselves. */
const builds = /'\.\.?\/harness\/built\.ts'/

/** Files of the domain without any rule in them. */
const shapes = new Set(['log-level.ts', 'part.ts', 'protocol.ts'])

/** The pure rules have to be covered wholly. */
const coverage = [
  '--experimental-test-coverage',
  '--test-coverage-include=src/domain/**',
  '--test-coverage-exclude=**/*.test.ts',
  ...['lines', 'branches', 'functions'].map((what) => `--test-coverage-${what}=100`),
]

process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1

async function main(args: readonly string[]): Promise<boolean> {
  const named = args.filter((arg) => !arg.startsWith('--'))
  if (args.includes('--end-to-end')) return testEndToEnd(named)
  if (named.length > 0) return runTests(named, [])
  for (const gate of gates) if (!(await passes(gate))) return false
  if (args.includes('--checks')) return true
  const domain = await find('src/domain/*.test.ts')
  const others = await find('{src,examples,test}/**/*.test.ts', domain)
  say(`tests: ${domain.length} files of the domain, ${others.length} others`)
  const untested = await findUntested(domain)
  if (untested.length > 0) {
    say(`no tests beside ${untested.join(', ')}: coverage does not see what is never loaded`)
    return false
  }
  if (others.length < fewestTestFiles) {
    say(`fewer than ${fewestTestFiles} test files: they were not found`)
    return false
  }
  return (await runTests(domain, coverage)) && runTests(others, [])
}

async function testEndToEnd(named: readonly string[]): Promise<boolean> {
  if (process.env['JO'] === undefined) {
    if (!(await run([join(root, 'scripts', 'build.ts')]))) return false
    process.env['JO'] = join(root, 'dist', 'job-orchestrator')
  }
  const files: string[] = []
  for (const file of named.length > 0 ? named : await find('test/{,attacks/}*.test.ts')) {
    const code = await readFile(join(root, file), 'utf8')
    if (drivesProgram.test(code) && !builds.test(code)) files.push(file)
  }
  say(`tests: ${files.length} files, end to end, against ${process.env['JO']}`)
  if (named.length === 0 && files.length < fewestTestFiles) {
    say(`fewer than ${fewestTestFiles} test files: they were not found`)
    return false
  }
  return runTests(files, [])
}

async function find(pattern: string, without: readonly string[] = []): Promise<string[]> {
  const found = await Array.fromAsync(glob(pattern, { cwd: root }))
  return found.filter((file) => !without.includes(file)).toSorted((a, b) => (a < b ? -1 : 1))
}

/** Files of the domain, but for mere shapes, that have no tests beside them. */
async function findUntested(tests: readonly string[]): Promise<string[]> {
  const files = await find('src/domain/*.ts', tests)
  return files.filter(
    (file) => !shapes.has(basename(file)) && !tests.includes(file.replace(/\.ts$/, '.test.ts')),
  )
}

async function passes({ name, command, looked, atLeast }: Gate): Promise<boolean> {
  const [tool, ...args] = command
  const started = performance.now()
  const script = join(root, 'node_modules', '.bin', tool)
  const child = spawn(process.execPath, [script, ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [out, errors] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    child.exitCode ?? once(child, 'close'),
  ])
  const count = looked.global
    ? (out.match(looked)?.length ?? 0)
    : Number(looked.exec(out)?.[1] ?? 0)
  const isGreen = child.exitCode === 0 && count >= atLeast
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  say(`${isGreen ? 'ok ' : 'NOT OK '} ${name}: ${count} in ${seconds} s`)
  if (isGreen) return true
  if (child.exitCode === 0) say(`it looked at ${count}, at least ${atLeast} were expected`)
  else say(out + errors)
  return false
}

/** Two files at a time: each starts processes of its own. */
function runTests(files: readonly string[], options: readonly string[]): Promise<boolean> {
  return run(['--test', '--test-concurrency=2', '--test-reporter=spec', ...options, ...files])
}

async function run(args: readonly string[]): Promise<boolean> {
  const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' })
  await once(child, 'close')
  return child.exitCode === 0
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
