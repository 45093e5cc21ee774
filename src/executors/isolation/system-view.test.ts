import assert from 'node:assert/strict'
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemView } from './system-view.ts'

const view = { filesDirectory: '/files', bindRo: [], bindDev: [], hidden: [] }

/** Whether words stand there one after the other. */
function has(words: readonly string[], ...wanted: readonly string[]): boolean {
  return words.some((_, at) => wanted.every((word, index) => words[at + index] === word))
}

test('what is the client’s own is hidden where scripts would see it, and nowhere else', () => {
  const hidden = ['/usr/bin', '/usr/bin/env', '/etc/passwd', '/usr/nowhere']
  const words = systemView({ ...view, hidden })
  assert.ok(has(words, '--tmpfs', '/usr/bin'))
  assert.ok(has(words, '--ro-bind', '/dev/null', '/usr/bin/env'))
  assert.ok(!words.includes('/etc/passwd') || has(words, '/files/passwd', '/etc/passwd'))
  assert.ok(!words.includes('/usr/nowhere'), 'there is nothing to hide')
  // After what it is to hide.
  assert.ok(words.indexOf('/usr/bin') > words.indexOf('/usr'))
  const etc = systemView({ ...view, bindRo: ['/etc'], hidden: ['/etc/passwd'] })
  assert.ok(has(etc, '--ro-bind', '/dev/null', '/etc/passwd'))
})

test('it is hidden where BIND_RO names it by a link, too', async (t) => {
  const directory = await realpath(await mkdtemp(join(tmpdir(), 'job-orchestrator-test-')))
  t.after(() => rm(directory, { recursive: true }))
  const [real, link] = ['real', 'link'].map((name) => join(directory, name)) as [string, string]
  await mkdir(real)
  await writeFile(join(real, 'secret'), 'x')
  await symlink('real', link)
  const words = systemView({ ...view, bindRo: [link, real], hidden: [join(real, 'secret')] })
  assert.ok(has(words, '--ro-bind', '/dev/null', join(link, 'secret')))
  assert.ok(has(words, '--ro-bind', '/dev/null', join(real, 'secret')))
  const all = systemView({ ...view, bindRo: [link], hidden: [real] })
  assert.ok(has(all, '--tmpfs', link))
})

test('nothing of the system is bound to be written', () => {
  const words = systemView({ ...view, bindRo: ['/opt'], bindDev: ['/dev/null'] })
  assert.ok(!words.includes('--bind'))
  assert.deepEqual(
    words.filter((_, at) => words[at - 1] === '--dev-bind'),
    ['/dev/null'],
  )
  assert.ok(words.indexOf('--remount-ro') > words.indexOf('--dev-bind'))
})
