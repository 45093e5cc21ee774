/**
 * `npm run build`: what can be installed.
 *
 *     npm run build                   dist/job-orchestrator, for this machine's processor
 *     npm run build -- --arch arm64   dist/job-orchestrator-arm64, for another one
 *     npm pack                        the npm package, from dist/bundle, which --bundle makes alone
 */
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { makeBundle } from './build/bundle.ts'
import { makeExecutable } from './build/executable.ts'
import { findNode, processors } from './build/runtime.ts'

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')

const { values } = parseArgs({ options: { arch: { type: 'string' }, bundle: { type: 'boolean' } } })
const arch = processors.find((one) => one === (values.arch ?? process.arch))

if (arch === undefined) {
  process.stderr.write(`build: job-orchestrator is for ${processors.join(' and ')}\n`)
  process.exitCode = 2
} else {
  const bundle = await makeBundle(root, join(dist, 'bundle'))
  // npm pack tells on standard output what it has made.
  if (!values.bundle) {
    await say(bundle.main, `the code, with that of ${bundle.packages.length} packages`)
    const isOurs = arch === process.arch
    const fetched = await mkdtemp(join(tmpdir(), 'job-orchestrator-build-'))
    try {
      const node = await findNode(root, arch, fetched)
      const name = isOurs ? 'job-orchestrator' : `job-orchestrator-${arch}`
      const executable = await makeExecutable(bundle, node, isOurs, dist, name)
      await say(executable, `the single executable, for Linux on ${arch}`)
    } finally {
      await rm(fetched, { recursive: true, force: true })
    }
  }
}

async function say(file: string, what: string): Promise<void> {
  const { size } = await stat(file)
  process.stdout.write(`${relative(root, file)}: ${what}; ${(size / 1e6).toFixed(1)} MB\n`)
}
