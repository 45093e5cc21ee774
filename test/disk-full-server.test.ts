/** A server whose disks are full: it says so, lives on, and goes on when there is room again. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { form } from './harness/api.ts'
import type { Api } from './harness/api.ts'
import { Hold } from './harness/held.ts'
import { Lab, until } from './harness/lab.ts'
import { jobsOnDisk } from './harness/left.ts'
import type { Program } from './harness/program.ts'
import { SmallDisk } from './harness/small-disk.ts'

const mebibyte = 1024 ** 2

const tryUpload = (api: Api, files: Record<string, string> = { 'run.sh': 'true' }) =>
  api.post('/upload', form(files, { user_id: '1', service: 'example' }))

const refused = { id: 0, status: 'Unknown', message: 'there is no space left on the disk' }
const nothing = { incoming: [], jobs: [] }

const times = ({ lines }: Program, text: RegExp) => lines.filter(({ msg }) => text.test(msg)).length

for (const [what, options] of [
  ['room', 'size=8m'],
  ['inode', 'nr_inodes=200'],
] as const) {
  test(`without any ${what} left an upload is answered with 507 and leaves nothing`, async (t) => {
    await using lab = await Lab.create()
    const mounted = await SmallDisk.mount(join(lab.directory, 'server'), options)
    if (typeof mounted === 'string') return t.skip(mounted)
    await using disk = mounted
    const { api, program } = await lab.pair()
    if (what === 'inode') await disk.fillInodes()
    else await disk.fill(mebibyte)
    const files = { 'run.sh': 'true', big: 'x'.repeat(2 * mebibyte) }
    for (let round = 0; round < 2; round++) {
      assert.deepEqual(await tryUpload(api, files), { status: 507, body: refused })
    }
    assert.deepEqual(await jobsOnDisk(lab), nothing)
    await disk.free()
    assert.equal((await api.run(files)).status, 'Completed')
    assert.equal(await program.stop(), 0)
    return undefined
  })
}

test('when the disk of the database is full, uploads leave nothing and jobs wait', async (t) => {
  await using lab = await Lab.create()
  const directory = join(lab.directory, 'database')
  const mounted = await SmallDisk.mount(directory, 'size=2m')
  if (typeof mounted === 'string') return t.skip(mounted)
  await using disk = mounted
  const { api, program } = await lab.pair({ dbPath: join(directory, 'db.sqlite') })
  const hold = new Hold(lab)
  const running = await api.upload(`${hold.wait}; echo 1 > out`)
  await api.reached(running, 'Running')
  await disk.fill()
  assert.deepEqual(await tryUpload(api), { status: 507, body: refused })
  assert.deepEqual((await jobsOnDisk(lab)).jobs, [String(running)])
  assert.equal((await api.health()).status, 'ok')

  await hold.release()
  await program.line(({ msg }) => /result of job 1 could not be fetched/.test(msg))
  assert.equal((await api.job(running)).status, 'Running', 'it cannot be noted, so it waits')
  await disk.free()
  assert.equal((await api.ended(running)).status, 'Completed')
  assert.equal((await api.files(running)).get('out')?.content.toString(), '1\n')
  assert.equal((await api.run('true')).status, 'Completed')
  assert.equal(times(program, /could not be fetched/), 1, 'the same again is no news')
  return undefined
})

test('a result for which there is no room waits at the client', async (t) => {
  await using lab = await Lab.create()
  const mounted = await SmallDisk.mount(join(lab.directory, 'server'), 'size=8m')
  if (typeof mounted === 'string') return t.skip(mounted)
  await using disk = mounted
  const { api, program, client } = await lab.pair()
  const hold = new Hold(lab)
  const script = `${hold.wait}; head -c 3000000 /dev/urandom > big; sha256sum <big >sum`
  const id = await api.upload(script)
  await api.reached(id, 'Running')
  await disk.fill(mebibyte)
  await hold.release()
  const { msg } = await program.line((line) => /could not be fetched/.test(line.msg))
  assert.match(msg, /no space left on the server's disk: 2\.8 MiB are needed, 1 MiB are left/)
  assert.equal((await api.job(id)).status, 'Running')
  assert.deepEqual(await readdir(join(lab.directory, 'server/jobs', String(id))), ['input'])
  await disk.free()
  assert.equal((await api.ended(id)).status, 'Completed')
  assert.equal((await api.files(id)).get('big')?.content.byteLength, 3_000_000)
  assert.ok(client.program.child.exitCode === null)
  return undefined
})

test('below MIN_FREE_SPACE uploads are refused, jobs go on, and it is said once', async (t) => {
  await using lab = await Lab.create()
  const mounted = await SmallDisk.mount(join(lab.directory, 'server'), 'size=16m')
  if (typeof mounted === 'string') return t.skip(mounted)
  await using disk = mounted
  const { api, program } = await lab.pair({ env: { MIN_FREE_SPACE: '8MiB' } })
  const hold = new Hold(lab)
  const running = await api.upload(hold.wait)
  assert.equal((await api.health()).lowSpace, false)
  await disk.fill(4 * mebibyte)
  const { status, body } = await tryUpload(api)
  assert.equal(status, 507)
  assert.match(
    body.message,
    /^the disk of DATA_PATH has (3\.9|4) MiB left, less than MIN_FREE_SPACE \(8 MiB\)$/,
  )
  assert.equal((await tryUpload(api)).status, 507)
  const { lowSpace, status: health } = await api.health()
  assert.deepEqual([lowSpace, health], [true, 'ok'])
  assert.deepEqual((await jobsOnDisk(lab)).incoming, [])

  await hold.release()
  assert.equal((await api.ended(running)).status, 'Completed')
  await disk.free()
  await program.line(({ msg }) => msg === 'there is room on the disk: uploads are taken again')
  assert.equal((await api.run('true')).status, 'Completed')
  assert.equal(times(program, /MIN_FREE_SPACE.*: uploads are refused/), 1)
  assert.equal(times(program, /uploads are taken again/), 1)
  return undefined
})

test('the disk of the database is looked at too', async (t) => {
  await using lab = await Lab.create()
  const directory = join(lab.directory, 'database')
  await mkdir(directory)
  const mounted = await SmallDisk.mount(directory, 'size=4m')
  if (typeof mounted === 'string') return t.skip(mounted)
  await using disk = mounted
  const { api, program } = await lab.server({
    services: { example: ['http://127.0.0.1:9'] },
    dbPath: join(disk.directory, 'db.sqlite'),
    args: ['--min-free-space', '4MiB'],
  })
  const { body } = await tryUpload(api)
  assert.match(body.message, /^the disk of DB_PATH has /)
  await until('it is said', () => times(program, /DB_PATH.*: uploads are refused/) === 1)
  return undefined
})

test('a disk without any room left is freed by what has become too old', async (t) => {
  await using lab = await Lab.create()
  const mounted = await SmallDisk.mount(join(lab.directory, 'disk'), 'size=24m')
  if (typeof mounted === 'string') return t.skip(mounted)
  await using disk = mounted
  const { api, program } = await lab.pair({ name: 'disk/server', env: { MAX_AGE: '3' } })
  const reserve = join(disk.directory, 'server.sqlite.reserve')
  await until('the reserve is there', () => existsSync(reserve))
  const id = await api.upload({ 'run.sh': 'true', big: 'x'.repeat(4 * mebibyte) })
  await api.ended(id)
  await disk.fill()
  assert.equal((await tryUpload(api)).status, 507)
  await api.reached(id, 'Cleaned')
  assert.equal(times(program, /its reserve is given up, to clean/), 1)
  assert.equal((await api.run('true')).status, 'Completed')
  await disk.free()
  await until('it is there again', () => existsSync(reserve))
  return undefined
})
