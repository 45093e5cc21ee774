/**
 * The single executable: the pinned Node.js, with the bundle and what goes with it inside.
 *
 * Beside it are its licences and what it is made of.
 *
 * Node.js makes a blob of these, and postject puts the blob into a copy of `node` as a segment that
 * Node.js looks for at its start.
 */
import { execFile } from 'node:child_process'
import { copyFile, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import { inject } from 'postject'
import { licencesName } from '../../src/embedded.ts'
import type { Bundle } from './bundle.ts'
import { withoutDebugging } from './elf.ts'
import { sbom } from './sbom.ts'

const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'

/** As in bin/job-orchestrator, which says why. */
const flags = [
  '--max-semi-space-size=1',
  '--no-concurrent-recompilation',
  '--no-concurrent-sparkplug',
]

/**
 * @param node the Node.js to build upon, of any processor.
 * @param isOurs whether it is for the processor of this machine: compiled code is for one alone.
 */
export async function makeExecutable(
  bundle: Bundle,
  node: string,
  isOurs: boolean,
  directory: string,
  name: string,
): Promise<string> {
  const settings = join(directory, `${name}.json`)
  const blob = join(directory, `${name}.blob`)
  const made = join(directory, `${name}.part`)
  const licences = join(directory, `${name}.licences`)
  const executable = join(directory, name)
  try {
    await writeFile(licences, await withLicenceOf(node, bundle))
    const config = {
      // As it is to be seen in the stacks of errors, wherever it is built.
      main: relative(directory, bundle.main),
      output: blob,
      disableExperimentalSEAWarning: true,
      useCodeCache: isOurs,
      execArgv: flags,
      // NODE_OPTIONS is for Node.js, and nobody need know that there is one in it.
      execArgvExtension: 'none',
      assets: { ...bundle.files, [licencesName]: licences },
    }
    await writeFile(settings, JSON.stringify(config))
    // With other flags than it is made with, compiled code is not taken. The seed is there so that
    // the same sources make the same bytes.
    const all = [...flags, '--random-seed=42', '--experimental-sea-config', settings]
    await promisify(execFile)(process.execPath, all, { cwd: directory })
    await writeFile(made, withoutDebugging(await readFile(node)), { mode: 0o755 })
    await quietly(async () =>
      inject(made, 'NODE_SEA_BLOB', await readFile(blob), { sentinelFuse: fuse }),
    )
    await copyFile(licences, `${executable}.licenses.txt`)
    await writeFile(`${executable}.cdx.json`, sbom(bundle.packages, await versionOf(node)))
    await rename(made, executable)
  } finally {
    for (const file of [settings, licences, blob, made]) await rm(file, { force: true })
  }
  return executable
}

async function withLicenceOf(node: string, bundle: Bundle): Promise<string> {
  const texts = [join(node, '..', '..', 'LICENSE'), bundle.files[licencesName] ?? '']
  const [ofNode, ofPackages] = await Promise.all(texts.map((file) => readFile(file, 'utf8')))
  return `Node.js\n\n${ofNode}\n${'-'.repeat(80)}\n\n${ofPackages}`
}

/** The version of a Node.js that npm has fetched, by what it says beside the program. */
async function versionOf(node: string): Promise<string> {
  const text = await readFile(join(node, '..', '..', 'package.json'), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

/** postject warns of names of sections, which are not there any more. */
async function quietly(step: () => Promise<void>): Promise<void> {
  const { warn, error } = console
  const said: unknown[][] = []
  console.warn = console.error = (...words: unknown[]) => void said.push(words)
  try {
    await step()
  } catch (fault) {
    for (const words of said) error(...words)
    throw fault
  } finally {
    console.warn = warn
    console.error = error
  }
}
