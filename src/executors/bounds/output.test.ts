/** A script that has a lease on its log: whoever opens it, or cuts it, waits for the script. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { PayloadFiles } from '../../files/payload-files.ts'
import { openSure } from '../../files/sure.ts'
import { Cgroups } from './cgroups.ts'
import { cutForGood } from './output.ts'
import { PayloadBounds } from './payload-bounds.ts'

/** F_SETLEASE, F_WRLCK; it gives nothing back. */
const lease = `$SIG{IO} = "IGNORE"; open(F, "+<", $ARGV[0]) or die; fcntl(F, 1024, 1) or die "$!";
  $| = 1; print "held"; sleep 60`

test('a log that is held by its script is not waited for, and ends the script', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
  t.after(() => rm(directory, { recursive: true }))
  const paths = new PayloadFiles(directory).paths(1)
  await mkdir(paths.directory, { recursive: true })
  await writeFile(paths.stderr, '')
  await writeFile(paths.stdout, 'x'.repeat(100))
  const holder = spawn('perl', ['-e', lease, paths.stdout], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const gone = once(holder, 'exit')
  t.after(() => holder.kill('SIGKILL'))
  const [said] = await Promise.race([once(holder.stdout, 'data'), gone])
  if (String(said) !== 'held') return t.skip('no lease can be had here')
  const limits = { outputBytes: { most: 10, of: 'client', by: 'watching' } } as const
  const bounds = new PayloadBounds(paths, limits, new Cgroups({}), 'session')
  const seen = []
  for (let look = 1; look <= 5; look++) seen.push((await bounds.look(1)).passed)
  assert.deepEqual(seen, [undefined, undefined, undefined, undefined, 'outputBytes'])
  assert.equal(openSure(paths.stdout, 'own'), 'cannot be read (EAGAIN)')
  assert.equal(holder.exitCode, null)
  holder.kill('SIGKILL')
  await gone
  assert.equal((await bounds.look(1)).passed, undefined)
  assert.equal(await readFile(paths.stdout, 'utf8'), 'x'.repeat(11))
  await truncate(paths.stdout, 12)
  assert.equal(cutForGood(paths.stdout, 10), true)
  assert.match(
    await readFile(paths.stdout, 'utf8'),
    /^x{10}\n\[job-orchestrator: cut off here.*\]\n$/,
  )
  return undefined
})
