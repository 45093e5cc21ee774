/** What of a work directory is in the result, and what is not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Api } from './harness/api.ts'
import { Lab } from './harness/lab.ts'
import type { ZipEntries } from './harness/zip.ts'

const type = 0o170000
const isLink = (files: ZipEntries, name: string) =>
  ((files.get(name)?.mode ?? 0) & type) === 0o120000

async function completed(api: Api, script: string) {
  const job = await api.run(script)
  assert.equal(job.status, 'Completed', job.message)
  const files = await api.files(job.id)
  const description = JSON.parse(files.get('.orchestrator/job.json')?.content.toString() ?? '') as {
    leftOut: { path: string; why: string }[]
  }
  const leftOut = new Map(description.leftOut.map(({ path, why }) => [path, why]))
  return { files, leftOut }
}

test('files keep their modes, and empty directories stay', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const { files, leftOut } = await completed(
    api,
    `for mode in 755 644 600 400 444 700; do echo $mode > $mode; chmod $mode $mode; done
    mkdir -p empty/inner private; chmod 700 private; mkdir full; touch full/file`,
  )
  for (const mode of ['755', '644', '600', '400', '444', '700']) {
    assert.equal((files.get(mode)?.mode ?? 0) & 0o777, Number.parseInt(mode, 8), mode)
    assert.equal((files.get(mode)?.mode ?? 0) & type, 0o100000, mode)
  }
  assert.ok(files.has('empty/inner/'))
  assert.equal((files.get('private/')?.mode ?? 0) & 0o777, 0o700)
  assert.ok(files.has('full/file') && !files.has('full/'))
  assert.equal(leftOut.size, 0)
})

test('links that lead outside are left out and listed, links inside stay links', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const { files, leftOut } = await completed(
    api,
    `echo x > file.txt; mkdir sub
    ln -s file.txt inside; ln -s ../file.txt sub/up; ln -s sub directory; ln -s nowhere dangling
    ln -s . a; ln -s a/a/inside through; ln -s sub/../file.txt detour
    ln -s /etc/passwd passwd; ln -s .. parent; ln -s sub/../../x words; ln -s "$PWD/file.txt" absolute
    ln -s a/../.. chain; ln -s a/a/../.. longer; ln -s chain/.. longest
    ln -s a/a/a/../../../nowhere later; ln -s "a/../$(basename "$PWD")/file.txt" back`,
  )
  for (const [name, target] of [
    ['inside', 'file.txt'],
    ['sub/up', '../file.txt'],
    ['directory', 'sub'],
    ['dangling', 'nowhere'],
    ['a', '.'],
    ['through', 'a/a/inside'],
    ['detour', 'sub/../file.txt'],
  ] as const) {
    assert.ok(isLink(files, name), name)
    assert.equal(files.get(name)?.content.toString(), target)
  }
  const outside = [
    'passwd',
    'parent',
    'words',
    'absolute',
    'chain',
    'longer',
    'longest',
    'later',
    'back',
  ]
  for (const name of outside) {
    assert.ok(!files.has(name), name)
    assert.match(leftOut.get(name) ?? '', /outside the work directory/, name)
  }
  assert.equal(leftOut.size, outside.length)
  for (const { content } of files.values()) assert.ok(!content.includes('root:'))
})

test('what is no file does not hold up packing, and is listed', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const node = JSON.stringify(process.execPath)
  const { files, leftOut } = await completed(
    api,
    `mkfifo fifo; ln -s fifo link; echo x > kept.txt
    ${node} -e 'require("net").createServer().listen("socket", () => process.kill(process.pid, 9))'
    test -S socket`,
  )
  assert.deepEqual([...leftOut.keys()].toSorted(), ['fifo', 'socket'])
  assert.ok(files.has('kept.txt') && !files.has('fifo') && !files.has('socket'))
  assert.ok(isLink(files, 'link'))
})

test('what a script puts under .orchestrator/ is left out, and is not taken for ours', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const { files, leftOut } = await completed(
    api,
    `mkdir -p .orchestrator sub/.orchestrator
    echo forged | tee .orchestrator/job.json .orchestrator/stdout.log .orchestrator/mine.txt
    echo mine > sub/.orchestrator/mine.txt`,
  )
  assert.deepEqual([...leftOut.keys()], ['.orchestrator'])
  assert.ok(!files.has('.orchestrator/mine.txt'))
  assert.equal(files.get('.orchestrator/stdout.log')?.content.toString(), 'forged\n')
  assert.ok(files.has('sub/.orchestrator/mine.txt'))
})

test('the result never contains itself, nor anything else of the program', async () => {
  await using lab = await Lab.create()
  const { api } = await lab.pair()
  const { files } = await completed(
    api,
    'echo x > "$TMPDIR/t"; echo x > "$HOME/h"; echo x > out.txt',
  )
  assert.deepEqual([...files.keys()].toSorted(), [
    '.orchestrator/job.json',
    '.orchestrator/stderr.log',
    '.orchestrator/stdout.log',
    'out.txt',
    'run.sh',
  ])
})
