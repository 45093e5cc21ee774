#!/usr/bin/env node
/**
 * Runs one of the project's TypeScript programs on the Node.js that the project pins, and installs
 * what is needed before, where that is not done yet. Needs nothing but Node >= 20 and npm.
 *
 *     node scripts/run.mjs FILE.ts [ARGUMENTS]
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'

const root = join(import.meta.dirname, '..')
const stamp = join(root, 'node_modules', '.installed')
const wanted = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex')

if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
  process.stderr.write('job-orchestrator runs on Linux, on x64 and arm64\n')
  process.exit(2)
}

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
  process.stdout.write('Installing what is needed (npm ci) ...\n')
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: 'inherit',
  })
  if (npm.status !== 0) {
    process.stderr.write('npm ci failed; see above\n')
    process.exit(1)
  }
  writeFileSync(stamp, wanted)
}

const node = join(root, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node')
const [file = '', ...args] = process.argv.slice(2)
const child = spawn(node, [join(root, file), ...args], { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
child.on('exit', (code, signal) => {
  process.exitCode = code ?? 128 + constants.signals[signal]
})
