/** What a script does to its directories so that nobody sees how much is in them. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chown, mkdtemp, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { DiskUse } from './disk-use.ts'

const run = promisify(execFile)
const most = 1024 ** 2

/** An ordinary user: root may read everything. */
const ordinary = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}

/** What an ordinary user's client sees of a directory that a script was run in. */
async function seen(script: string): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
  if (ordinary.uid !== undefined) await chown(directory, ordinary.uid, ordinary.gid)
  try {
    await run('bash', ['-c', script], { cwd: directory, ...ordinary })
    const look = `const { DiskUse } = await import(process.argv[1])
      console.log(await new DiskUse([process.argv[2]]).look(() => [], ${most}))`
    const file = join(import.meta.dirname, 'disk-use.ts')
    const { stdout } = await run(
      process.execPath,
      ['--input-type=module', '-e', look, '--', file, directory],
      { cwd: '/', ...ordinary },
    )
    return Number(stdout)
  } finally {
    await run('chmod', ['-R', 'u+rwX', directory])
    await run('rm', ['-rf', directory])
  }
}

/** How many descriptors are open here. */
const open = async () => (await readdir('/proc/self/fd')).length

const large = 'head -c 3000000 /dev/zero'

for (const [what, script] of Object.entries({
  'that may be read, but not entered': `mkdir d; ${large} > d/large; chmod 444 d`,
  'that may be entered, but not read': `mkdir d; ${large} > d/large; chmod 111 d`,
  'that is closed': `mkdir -p d/e; ${large} > d/e/large; chmod 0 d/e d`,
  'whose name is not UTF-8': `mkdir $'\\xff'; ${large} > $'\\xff/large'`,
  'in a hundred others': `perl -e 'for (1..102) { mkdir "d"; chdir "d" }'`,
})) {
  test(`a directory ${what}`, async () => {
    assert.ok((await seen(script)) > most)
  })
}

test('what is there is counted, and no descriptor is left', async () => {
  assert.equal(
    await seen(`mkdir -p a/$'\\xfe'; : > a/b; head -c 10000 /dev/zero > c; sync c`),
    24_576,
  )
  const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
  try {
    await run('bash', ['-c', 'mkdir -p d/{1..50}/e'], { cwd: directory })
    const disk = new DiskUse([directory])
    const before = await open()
    assert.equal(await disk.look(() => [], most), 101 * 4096)
    assert.equal(await open(), before)
  } finally {
    await run('rm', ['-rf', directory])
  }
})
