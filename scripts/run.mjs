#!/usr/bin/env node
/**
 * Runs one of the project's programs on the Node.js that the project pins, and installs what is
 * needed before, where that is not done yet. Needs nothing but Node >= 20 and npm.
 *
 *     node scripts/run.mjs FILE [ARGUMENTS]
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const lock = join(root, 'package-lock.json')
// npm writes it last.
const installed = join(root, 'node_modules', '.package-lock.json')
if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
  process.stderr.write('job-orchestrator runs on Linux, on x64 and arm64\n')
  process.exit(2)
}

if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
  process.stdout.write('Installing what is needed (npm ci) ...\n')
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: 'inherit',
  })
  if (npm.status !== 0) {
    process.stderr.write('npm ci failed; see above\n')
    process.exit(1)
  }
}

const node = join(root, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node')
const [file = '', ...args] = process.argv.slice(2)
const child = spawn(node, [join(root, file), ...args], { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
child.on('exit', (code, signal) => {
  process.exitCode = code ?? 128 + constants.signals[signal]
})
