import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Trash } from './trash.ts'

const root = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
after(() => rm(root, { recursive: true, force: true }))

test('what is put into it is removed some time later, whatever it is', async () => {
  const directory = join(root, 'some')
  await mkdir(join(directory, '-rf', 'deeper'), { recursive: true })
  await mkdir(join(directory, 'closed', 'inner'), { recursive: true })
  await writeFile(join(directory, 'closed', 'inner', 'file'), '')
  await chmod(join(directory, 'closed', 'inner'), 0o000)
  const stuck: string[] = []
  const trash = new Trash(directory, (path) => stuck.push(path))
  const { promise, resolve } = Promise.withResolvers<void>()
  const look = setInterval(() => {
    if (!existsSync(join(directory, '-rf')) && !existsSync(join(directory, 'closed'))) resolve()
  }, 20)
  trash.filled()
  await promise
  clearInterval(look)
  await trash[Symbol.asyncDispose]()
  assert.deepEqual([await readdir(directory), stuck], [[], []])
})

test('more than fit into one command are removed, and that at once when it ends', async () => {
  const directory = join(root, 'many')
  for (let i = 0; i < 450; i++) await mkdir(join(directory, String(i)), { recursive: true })
  const trash = new Trash(directory, () => {})
  trash.filled()
  await trash[Symbol.asyncDispose]()
  assert.deepEqual(await readdir(directory), [])
})
