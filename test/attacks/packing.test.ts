/** Work directories that are made to be packed wrong, or for ever. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { archive } from '../../src/files/archive.ts'
import type { PackLimits } from '../../src/files/archive.ts'
import type { LeftOut } from '../../src/files/walk.ts'
import { readZip } from '../harness/zip.ts'

const run = promisify(execFile)
const mebibyte = 1024 ** 2

/** A directory in which a script was run. */
async function left(t: TestContext, script: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'job-orchestrator-test-'))
  t.after(() => run('rm', ['-rf', directory]))
  const work = join(directory, 'work')
  await mkdir(work)
  await run('bash', ['-c', script], { cwd: work })
  return work
}

async function pack(work: string, limits?: Partial<PackLimits>) {
  let leftOut = new Map<string, string>()
  const note = (list: readonly LeftOut[]) => {
    leftOut = new Map(list.map(({ path, why }) => [path, why]))
    return []
  }
  const all = { mostBytes: Infinity, mostEntries: 250_000, ...limits }
  const files = await readZip(await buffer(archive(work, note, all)))
  return { files, leftOut }
}

test('a sparse file of a terabyte, and a ZIP bomb of many holes', async (t) => {
  const work = await left(t, 'truncate -s 1T large')
  const tooLarge = /its files are larger than MAX_RESULT_SIZE allows \(100 GiB\)/
  await assert.rejects(pack(work, { mostBytes: 100 * 1024 ** 3 }), tooLarge)
  const holes = await left(t, 'for i in {1..6}; do truncate -s 2M f$i; done')
  await assert.rejects(pack(holes, { mostBytes: 11 * mebibyte }), /MAX_RESULT_SIZE/)
  assert.equal((await pack(holes, { mostBytes: 12 * mebibyte })).files.size, 6)
})

test('a log of a terabyte, which is a hole', async (t) => {
  const work = await left(t, 'printf ab > file; printf well > ../well; truncate -s 1T ../log')
  const logs = ['well', 'log'].map((name) => ({ path: name, file: join(work, '..', name) }))
  const limits = { mostBytes: 3 * mebibyte, mostEntries: 9 }
  const packed = await Promise.race([
    buffer(archive(work, () => [...logs, { path: 'again', file: join(work, '../log') }], limits)),
    delay(30_000, undefined, { ref: false }).then(() => assert.fail('it is packed still')),
  ])
  const files = await readZip(packed)
  const said = /\[job-orchestrator: cut off here, as no more than \d+ (B|MiB) is packed\]\n$/
  assert.equal(String(files.get('well')?.content), 'well')
  for (const [name, size] of [
    ['log', 3 * mebibyte - 6],
    ['again', mebibyte],
  ] as const) {
    const text = String(files.get(name)?.content)
    assert.match(text.slice(-80), said)
    assert.equal(text.lastIndexOf('\0') + 1, size)
  }
})

test('more files than a result may have', async (t) => {
  const work = await left(t, 'mkdir a; for i in {1..5000}; do : > a/$i; done')
  const tooMany = /there are more files than MAX_RESULT_FILES allows \(5000\)/
  await assert.rejects(pack(work, { mostEntries: 5_000 }), tooMany)
  assert.equal((await pack(work, { mostEntries: 5_001 })).files.size, 5_000)
})

test('long names, which cost memory', async (t) => {
  const work = await left(
    t,
    `n=$(printf 'x%.0s' {1..240}); mkdir -p $n/$n/$n; for i in {1..50}; do : > $n/$n/$n/$n$i; done`,
  )
  await assert.rejects(
    pack(work, { mostEntries: 100 }),
    /names are longer than 256 bytes on average/,
  )
  assert.equal((await pack(work, { mostEntries: 300 })).files.size, 50)
})

test('three thousand directories in each other', async (t) => {
  const work = await left(
    t,
    `perl -e 'for (1..3000) { mkdir "d" or die; chdir "d" or die }'; echo kept > kept`,
  )
  const { files, leftOut } = await pack(work)
  assert.equal(String(files.get('kept')?.content), 'kept\n')
  assert.match([...leftOut.values()].join(), /^cannot be read \(ENAMETOOLONG\)$/)
})

test('names that are no UTF-8, and names of control characters', async (t) => {
  const work = await left(
    t,
    String.raw`echo 1 > $'\xff\xfe'; mkdir $'d\xc3'; echo 2 > $'d\xc3/f'; echo 3 > $'a\nb\x1b[2J'
      ln -s $'\xff' link; echo 4 > kept`,
  )
  const { files, leftOut } = await pack(work)
  assert.deepEqual([...files.keys()], ['a\nb\x1B[2J', 'kept'])
  assert.deepEqual(leftOut.get('link'), 'a link to a name that is not UTF-8')
  assert.deepEqual([...leftOut.values()].filter((why) => why === 'its name is not UTF-8').length, 2)
})

test('thousands of things that are left out', async (t) => {
  const work = await left(t, `perl -e 'for (1..1500) { symlink "/etc/passwd", "l$_" }'`)
  const { files, leftOut } = await pack(work)
  assert.equal(files.size, 0)
  assert.equal(leftOut.size, 1001)
  assert.equal(leftOut.get(''), 'and 500 more')
})

test('a work directory that is a link', async (t) => {
  const work = await left(t, 'cd ..; rmdir work; ln -s /etc work')
  const { files, leftOut } = await pack(work)
  assert.equal(files.size, 0)
  assert.deepEqual([...leftOut], [['.', 'the work directory is gone']])
})

/** Each swaps something for a link to what is outside, and back, as fast as it can. */
const swaps = {
  'a directory on the way': `mkdir -p a/sub; for (1..9) { open(F, ">a/sub/f$_"); print F "mine" }
    while (1) { rename "a", "b"; symlink "../outside", "a"; unlink "a"; rename "b", "a" }`,
  'a directory itself': `mkdir "a"; mkdir "a/sub"; for (1..9) { open(F, ">a/sub/f$_"); print F "mine" }
    while (1) { rename "a/sub", "b"; symlink "../../outside/sub", "a/sub"; unlink "a/sub"; rename "b", "a/sub" }`,
  'a file': `open(F, ">f"); print F "mine"; close F;
    while (1) { rename "f", "b"; symlink "../outside/sub/f1", "f"; unlink "f"; rename "b", "f" }`,
}

for (const [what, perl] of Object.entries(swaps)) {
  test(`swapped for a link while it is packed: ${what}`, async (t) => {
    const work = await left(t, 'mkdir -p ../outside/sub')
    for (let index = 1; index <= 9; index++) {
      await writeFile(join(work, '../outside/sub', `f${index}`), 'secret')
    }
    const made = perl.replace('mkdir -p a/sub;', 'mkdir "a"; mkdir "a/sub";')
    const swapper = spawn('perl', ['-e', `$| = 1; ${made.replace('while', 'print "go"; while')}`], {
      cwd: work,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const gone = once(swapper, 'exit')
    try {
      await once(swapper.stdout, 'data')
      let mine = 0
      for (let round = 0; round < 400; round++) {
        const { files } = await pack(work)
        for (const [name, { content, mode }] of files) {
          if ((mode & 0o170000) === 0o15000) continue
          assert.doesNotMatch(String(content), /secret/, name)
          if (String(content) === 'mine') mine++
        }
      }
      assert.ok(mine > 0, 'nothing was ever packed')
    } finally {
      // Before its files are removed.
      swapper.kill('SIGKILL')
      await gone
    }
  })
}

test('a file that grows, and one that is cut, while they are packed', async (t) => {
  const work = await left(t, 'head -c 3000000 /dev/zero > grows; cp grows shrinks')
  const script = 'while :; do echo more >> grows; : > shrinks; truncate -s 3000000 shrinks; done'
  const changer = spawn('bash', ['-c', script], { cwd: work, stdio: 'ignore', detached: true })
  const gone = once(changer, 'exit')
  try {
    for (let round = 0; round < 20; round++) {
      const { files } = await pack(work)
      assert.ok(Number(files.get('grows')?.content.length) >= 3_000_000)
      assert.ok(Number(files.get('shrinks')?.content.length) <= 3_000_000)
    }
  } finally {
    // With what it has started, before its files are removed.
    process.kill(-(changer.pid ?? 0), 'SIGKILL')
    await gone
  }
})
